# What loader.sh does for a program that is new to this host and brings nothing or little; the rest is the shell's.

my ($archive, $size, $file_mask, $zst, $zst_size, $base, $changes, $changes_size);
($root, $target, $name, $fence, undef, $nonce, $archive, $size, $file_mask) = @given;
($zst, $zst_size, $base, $changes, $changes_size) = @given[9 .. 13];
my ($kind, $packing, $sent, $home, $fresh, @lent) = ("archive", "gz", 0);
my @sums = ([qw(sha256sum)], [qw(shasum -a 256)], [qw(openssl dgst -sha256 -r)]);
my @parts = qw(program archive nonce fence spool reserve bulk alive);

sub remove_fresh {
    unlink map { "$fresh/$_" } @parts;
    rmdir $fresh;
}

END { remove_fresh if defined $fresh && -d $fresh }

# Nothing that another loader left, and an archive that is not worth keeping. What neither a tool nor this perl can do is
# the shell's to tell.
sub is_usual {
    return 0 if -e $home || grep { /^\.new\./ } names_in "$state/programs";
    return 0 unless is_tool "setsid" or eval { require POSIX };
    return 1 if $archive eq "-";
    return 0 unless grep { is_tool $$_[0] } @sums or eval { require Digest::SHA };
    choose_archive();
    return $size <= 1_000_000 && !-f "$state/archives/$archive" && !grep { /^\.part-/ } names_in "$state/archives";
}

# Which one: the whole, packed as this host can unpack it, or only what differs from the release that serves.
sub choose_archive {
    ($packing, $archive, $size) = ("zst", $zst, $zst_size) if $zst ne "-" && is_tool "zstd";
    return if $changes eq "-" || -f "$state/archives/$archive";
    my $live = live_release;
    decline unless defined $live;
    my $laid = first_line "$state/releases/" . ($live || "none") . "/laid";
    ($kind, $packing, $archive, $size) = ("changes", "gz", $changes, $changes_size)
        if defined $laid && $laid eq "archive $base $file_mask";
}

# Byte by byte: what comes behind it is not ours.
sub heard_line {
    my ($line, $byte) = ("");
    while (sysread STDIN, $byte, 1) {
        return $line if $byte eq "\n";
        $line .= $byte;
    }
    exit 1;
}

# So many bytes of what is sent, into a file; how many came. A disk that takes them not is refused with TEXT.
sub take_bytes {
    my ($into, $wanted, $text) = @_;
    my $left = $wanted;
    open TAKEN, ">", $into or refuse "disk", $text;
    while ($left > 0) {
        my $count = sysread STDIN, my $block, $left < 65536 ? $left : 65536 or last;
        print TAKEN $block or refuse "disk", $text;
        $left -= $count;
    }
    close TAKEN or refuse "disk", $text;
    refuse "disk", $text if -s $into != $wanted - $left;
    return $wanted - $left;
}

sub read_program {
    my ($said, $bytes) = split / /, heard_line;
    exit 1 unless $said eq $nonce;
    exit 1 unless take_bytes("$fresh/program", $bytes, "cannot write the program to $state") == $bytes;
}

# By a tool where there is one: perl's own way takes longer to load than a tool to start.
sub digest {
    for (@sums) {
        next unless is_tool $$_[0];
        open SUM, "-|", @$_, $_[0] or next;
        my $sum = <SUM>;
        close SUM;
        return $sum =~ /^\\?([0-9a-f]{64})/ ? $1 : "";
    }
    require Digest::SHA;
    return Digest::SHA->new(256)->addfile($_[0])->hexdigest;
}

sub get_archive {
    return if $archive eq "-";
    mark "need", $kind, $packing, 0, "-";
    heard_line;
    my $came = take_bytes "$fresh/archive", $size, "cannot write the archive to $state/archives";
    refuse "upload", "it came only in part: $came of $size bytes" if $came < $size;
    refuse "upload", "it arrived with another sha256 than $archive" if digest("$fresh/archive") ne $archive;
    note_line "$fresh/bulk", "$kind $archive $packing $base $size" or refuse "disk", "cannot write to $state";
    mark "have", $kind;
}

sub write_files {
    open SPOOL, ">", "$fresh/spool" or return 0;
    open RESERVE, ">", "$fresh/reserve" and print RESERVE " " x 16384 and close RESERVE or return 0;
    return note_line("$fresh/nonce", $nonce) && note_line("$fresh/fence", $fence);
}

# A file in the descriptor that the runner knows it by, with its lock; the runner inherits both. Whether it got the lock.
sub lend {
    my ($number, $file) = @_;
    local $^F = 9;
    open my $lent, ">>&=$number" or return 0;
    push @lent, $lent;
    return open($lent, ">>", $file) && flock $lent, 6;
}

sub run {
    my @locked = lend(8, "$home/step") && lend(9, "$state/lock") ? "locked" : ();
    my @session = is_tool("setsid") ? "setsid" : ();
    my $child = fork;
    refuse "disk", "cannot start a process" unless defined $child;
    if ($child) {
        close $_ for @lent;
        return;
    }
    close GATE;
    open STDIN, "<", "/dev/null";
    open STDOUT, ">>", "$home/spool";
    open STDERR, ">&", *STDOUT;
    POSIX::setsid() unless @session;
    exec @session, "sh", "$home/program", $root, $target, $name, $nonce, @locked;
    exit 127;
}

sub carry_out_word {
    my ($word) = @_;
    return unless $word eq "stored" || $word eq "stop";
    check_claim;
    for my $file ($word eq "stop" ? "stop" : ("stored", "spool")) {
        open WORD, ">", "$home/$file";
        close WORD;
    }
    exit 0 if $word eq "stored";
}

sub pass_on {
    my $count = sysread SPOOL, my $block, 65536;
    print $block if $count;
    $sent += $count;
    return $count;
}

sub is_dead {
    open ALIVE, "<", "$home/alive" or return 0;
    my $free = flock ALIVE, 5;
    close ALIVE;
    return $free;
}

# A runner that could not write its last line (a full disk) still left its result.
sub tell_end {
    exit 0 if -e "$home/stored";
    my $result = first_line "$home/result";
    decline @given[0 .. 3], $sent, @given[5 .. 13], "lost" unless defined $result && $result ne "";
    sysseek SPOOL, -300, 2 or sysseek SPOOL, 0, 0;
    sysread SPOOL, my $last, 300;
    mark "end", $result unless index($last, "$nonce end ") >= 0;
}

# What the program writes, as it comes, and what the worker wants of it. Most programs end within moments, so the spool is
# looked at often in the beginning, and four times a second when nothing has come for long.
sub follow {
    my ($heard, $pause, $looked, $over) = ("", 0.004, time, 0);
    open SPOOL, "<", "$home/spool";
    while (1) {
        my $count = $over ? 0 : pass_on;
        $pause = $count ? 0.004 : $pause < 0.2 ? $pause * 1.25 : 0.25;
        vec(my $ready = "", 0, 1) = 1;
        if (0 < select $ready, undef, undef, $count ? 0 : $over ? undef : $pause) {
            sysread STDIN, $heard, 256, length $heard or exit 0;
            carry_out_word $1 while $heard =~ s/^(.*)\n//;
        }
        next if $count || $over || time - $looked < 1;
        $looked = time;
        next unless is_dead;
        1 while pass_on;
        tell_end;
        $over = 1;
    }
}

open_state $file_mask;
$home = "$state/programs/$name";
is_usual or decline;
check_claim;
$fresh = "$state/programs/.new.$$";
mkdir $fresh or refuse $! =~ /o space left|uota/ ? "disk" : "root", "cannot make $fresh: $!";
read_program;
get_archive;
write_files or refuse "disk", "cannot write to $state";
my $problem = enter_gate;
refuse "lock", $problem if $problem;
if (-e $home) {
    remove_fresh;
    decline @given[0 .. 13], "attach";
}
claim;
lend 7, "$fresh/alive" or refuse "lock", "cannot lock $fresh/alive; does this file system have locks?";
rename $fresh, $home or refuse "disk", "cannot make $home";
run;
leave_gate;
mark "started";
follow;
