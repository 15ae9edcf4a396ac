# What switch.sh does, in one process that starts no other: a hundred hosts on one machine switch at once.

my ($release, $revision, $number, $by, $seconds, $quiet, $live, $armed);
($root, $target, $name, $fence, $nonce, $release, $revision, $number, $by, $seconds, $quiet, $live, $armed) = @given;
my $next = "";
my $fine = eval { require Time::HiRes };

END { unlink $next if $next ne "" && -l $next }

sub stay {
    mark "not-switched", @_;
    exit 1;
}

sub check_release {
    my $record = "$state/releases/$release";
    my $prepared = first_line "$record/prepared";
    refuse "release", "release $release is not prepared on this host"
        unless defined $prepared && -d "$root/releases/$release";
    refuse "release", "release $release was prepared for revision $prepared, not $revision" if $prepared ne $revision;
    refuse "root", "$root/current is not a link; move it away first" if -e "$root/current" && !-l "$root/current";
}

# What another tool laid out is the shell's to take up. The holder of the lock sees the newer claim, and ends before its
# next step.
sub arm {
    decline @given, $quick if $release =~ /^[0-9]*$/;
    open LOCK, ">>", "$state/lock" or decline @given, $quick;
    unless (lock_within *LOCK, 0) {
        pass_gate;
        lock_within *LOCK, 100 or refuse "lock", "another program is at work in this folder";
    }
    pass_gate;
    check_release;
    $live = live_release;
    decline @given, $quick unless defined $live;
    unlink grep { -l } map { "$state/$_" } grep { /^next-/ } names_in $state;
    $next = "$state/next-$name";
    symlink "releases/$release", $next or refuse "disk", "cannot make $next";
}

# Sleeping in select(2) takes no notice of a clock that is set meanwhile.
sub await_word {
    my ($word, $left) = ("", $seconds);
    while ($word !~ /\n/) {
        vec(my $ready = "", 0, 1) = 1;
        return "" unless select($ready, undef, undef, $left) && sysread STDIN, $word, 64, length $word;
        $left = 1;
    }
    return $word;
}

sub add_line {
    my ($path, $line) = @_;
    open FILE, ">>", $path and print FILE "$line\n" and close FILE;
}

# In milliseconds where this perl knows them.
sub record {
    my $now = $fine && int(Time::HiRes::time() * 1000);
    my ($second, $part) = $now ? (int($now / 1000), sprintf ".%03d", $now % 1000) : (time, "");
    my @at = gmtime $second;
    my $iso = sprintf "%d-%02d-%02dT%02d:%02d:%02d%sZ", 1900 + $at[5], 1 + $at[4], @at[3, 2, 1, 0], $part;
    my $epoch = $now || $second;
    if ($live ne $release) {
        my $was = $live || "-";
        add_line "$state/journal", "$epoch $fence $name $was $release";
        umask 022;
        add_line "$root/revisions.log", "$iso $release $revision was $was deploy $number by $by";
    }
    return $epoch;
}

open_state "022", @given, $quick;
$armed ? ($next = "$state/next-$name") : arm;
open STDERR, ">", "/dev/null";
mark "armed", $live || "-";
stay "the word did not come" unless await_word eq "flip\n";
my $problem = enter_gate;
stay $problem if $problem;
highest_fence or stay damage;
stay "a newer deploy (fence $seen) has taken over this folder" if $fence < $seen;
if ($live ne $release) {
    rename $next, "$root/current" or stay "the link $root/current could not be replaced";
    stay "the link $root/current did not change" unless readlink "$root/current" eq "releases/$release";
}
unlink $next;
leave_gate;
my $at = record;
# Who gives the word is not to hear of the first hosts while others still wait for theirs.
nap $quiet / 1000;
mark "switched", $live || "-", $at;
