# What switch.sh does after arming, in one process that starts no other: a hundred hosts on one machine switch at once.

my ($root, $next, $release, $live, $fence, $seconds, $nonce, $name, $revision, $number, $by, $quiet) = @ARGV;
my $state = "$root/.deployer";
my $fine = eval { require Time::HiRes };
$| = 1;

sub mark { print "\x1e$nonce @_\n" }

sub stay {
    unlink $next;
    mark "not-switched", @_;
    exit 1;
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

sub enter_gate {
    open GATE, ">>", "$state/gate" or stay "$state/gate cannot be opened";
    for (1 .. 200) {
        return if flock GATE, 6;
        select undef, undef, undef, 0.05;
    }
    stay "another program has held the short lock in $state for 10 seconds";
}

sub newest_claim {
    open FENCE, "<", "$state/fence" or stay "$state/fence cannot be read";
    my $seen = <FENCE>;
    stay "$state/fence is damaged; it must hold one number" unless $seen =~ /^[0-9]+$/;
    chomp $seen;
    return $seen;
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

mark "armed", $live || "-";
stay "the word did not come" unless await_word eq "flip\n";
enter_gate;
my $seen = newest_claim;
stay "a newer deploy (fence $seen) has taken over this folder" if $fence < $seen;
if ($live ne $release) {
    rename $next, "$root/current" or stay "the link $root/current could not be replaced";
    stay "the link $root/current did not change" unless readlink "$root/current" eq "releases/$release";
}
unlink $next;
close GATE;
my $at = record;
# Who gives the word is not to hear of the first hosts while others still wait for theirs.
select undef, undef, undef, $quiet / 1000;
mark "switched", $live || "-", $at;
