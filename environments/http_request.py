"""A web request from a host to itself, as shell text, by whichever of curl, perl and wget is there."""

# The function `http_status PATH` sets $status to the three digits of the answer, or to 000 when none came. It reads
# $port, $host and $seconds. Redirects are not followed, or their own status is what counts; proxies are not used.
HTTP_STATUS = r"""
http_status() {
    if command -v curl >/dev/null 2>&1; then
        status=$(curl -s -o /dev/null -w '%{http_code}' -m "$seconds" --noproxy '*' -H "Host: $host" \
            "http://127.0.0.1:$port$1") || status=000
    elif command -v perl >/dev/null 2>&1; then
        status=$(perl -MIO::Socket::INET -e '
            my ($port, $host, $path, $seconds) = @ARGV;
            alarm $seconds;
            my $web = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or exit 1;
            print $web "GET $path HTTP/1.0\r\nHost: $host\r\nConnection: close\r\n\r\n";
            my $head = <$web>;
            while (<$web>) {}
            print defined $head && $head =~ m{^HTTP/\S+ (\d{3})} ? $1 : "000";
        ' "$port" "$host" "$1" "$seconds" 2>/dev/null) || status=000
    elif command -v wget >/dev/null 2>&1; then
        # not by -T, which crashes the wget of busybox 1.35
        bound=
        command -v timeout >/dev/null 2>&1 && bound="timeout $seconds"
        status=$(unset http_proxy; $bound wget -S -O /dev/null --header "Host: $host" \
            "http://127.0.0.1:$port$1" 2>&1 | sed -n 's/.*HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' | head -n 1)
        [ "$status" ] || status=000
    else
        die "Neither curl nor perl nor wget is on this host, so it cannot ask itself for a page."
    fi
}
port=${port:-${DEPLOYER_PORT:-}}
[ "$port" ] || die "No port is known here: set the parameter port, or the port of this application on this host."
"""
