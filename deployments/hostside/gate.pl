# What gate.sh and tools.sh say of the fence, the folder and its release, in a process that starts no other.

my ($quick, $thorough, @given) = @ARGV;
my ($root, $target, $name, $fence, $nonce, $state, $seen);
$| = 1;
my $mask = umask 077;

# The shell does it all, from the beginning or with other words.
sub decline {
    umask $mask;
    exec "sh", "-c", $thorough, "deployer", @_ ? @_ : @given;
    exit 1;
}

sub mark { print "\x1e$nonce @_\n" }

sub refuse {
    my ($kind, $text) = @_;
    $text =~ tr/\n\x1e/  /;
    mark "refused", $kind, $text;
    exit 3;
}

sub nap { select undef, undef, undef, $_[0] }

# In twentieths of a second, as long as that.
sub lock_within {
    my ($file, $tries) = @_;
    for (0 .. $tries) {
        return 1 if flock $file, 6;
        nap 0.05;
    }
    return 0;
}

# The first line of a file without its end; nothing where there is no such file.
sub first_line {
    open FIRST, "<", $_[0] or return undef;
    my $line = <FIRST>;
    close FIRST;
    return "" unless defined $line;
    chomp $line;
    return $line;
}

# Writes, and looks whether all of it is there: a full disk can truncate silently.
sub note_line {
    my ($path, $line) = @_;
    open NOTE, ">", $path and print NOTE "$line\n" and close NOTE or return 0;
    my $back = first_line $path;
    return defined $back && $back eq $line;
}

sub keep_line {
    my ($path, $line) = @_;
    return note_line("$path.new", $line) && rename "$path.new", $path;
}

sub is_tool {
    for my $folder (split /:/, $ENV{PATH}) {
        return 1 if -f "$folder/$_[0]" && -x _;
    }
    return 0;
}

# With all that is above it. What goes wrong here the shell meets too, and knows how to tell.
sub make_folder {
    my ($path) = @_;
    return 1 if -d $path;
    my $above = $path;
    $above =~ s/\/[^\/]+$//;
    return ($above eq "" || make_folder($above)) && (mkdir $path or -d $path);
}

sub touch {
    open TOUCHED, ">>", $_[0] or return 0;
    return close TOUCHED;
}

# The folders and files that all programs share; ROOT is made with the umask of releases.
sub open_state {
    my ($file_mask, @words) = @_;
    decline @words unless is_tool "tar";
    $root =~ s/^~\//$ENV{HOME}\//;
    $state = "$root/.deployer";
    umask oct $file_mask;
    my $made = make_folder $root;
    umask 077;
    for my $folder (qw(programs archives releases)) { $made &&= make_folder "$state/$folder" }
    decline @words unless $made && touch("$state/gate") && touch("$state/lock");
}

# Says why it could not be entered; nothing when it was.
sub enter_gate {
    open GATE, ">>", "$state/gate" or return "$state/gate cannot be opened";
    return lock_within(*GATE, 200) ? "" : "another program has held the short lock in $state for 10 seconds";
}

sub leave_gate { close GATE }

sub damage { "$state/fence is damaged; it must hold one number" }

# Whether it is a number that it finds.
sub highest_fence {
    $seen = -f "$state/fence" ? first_line "$state/fence" : 0;
    return defined $seen && $seen =~ /^[0-9]+$/;
}

sub check_claim {
    my $owner = first_line "$state/target";
    refuse "target", $owner if defined $owner && $owner ne $target;
    highest_fence or refuse "root", damage;
    refuse "fence", $seen if $fence < $seen;
}

# Inside the gate.
sub claim {
    -f "$state/target" or keep_line "$state/target", $target or refuse "disk", "cannot write $state/target";
    check_claim;
    $fence == $seen or keep_line "$state/fence", $fence or refuse "disk", "cannot write $state/fence";
}

sub pass_gate {
    my $problem = enter_gate;
    refuse "lock", $problem if $problem;
    claim;
    leave_gate;
}

# The name of the release that serves, or nothing. Undefined: it does not lead straight to one, and the shell must judge.
sub live_release {
    my $live = readlink "$root/current";
    return "" unless defined $live;
    $live =~ s/\/$//;
    $live =~ s/.*\///s;
    my ($leads, $lies) = map { join " ", @$_[0, 1] } [stat "$root/current"], [lstat "$root/releases/$live"];
    return $live ne "" && -d _ && $leads eq $lies ? $live : undef;
}

sub names_in {
    opendir FOLDER, $_[0] or return ();
    my @names = readdir FOLDER;
    closedir FOLDER;
    return @names;
}
