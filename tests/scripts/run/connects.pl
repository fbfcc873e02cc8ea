use Socket;
my @to = (
    [AF_INET, pack_sockaddr_in(80, inet_aton("127.0.0.2"))],
    [AF_INET6, Socket::pack_sockaddr_in6(443, Socket::inet_pton(AF_INET6, "2001:db8:0:0:1:0:0:1"))],
    [AF_UNIX, pack_sockaddr_un("/nonexistent/socket")],
);
for (@to) {
    socket(my $socket, $_->[0], SOCK_DGRAM, 0);
    connect($socket, $_->[1]);
}
