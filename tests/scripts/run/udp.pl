# One datagram from this process to itself.
use Socket;
socket(my $in, PF_INET, SOCK_DGRAM, 0) or die $!;
bind($in, sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
socket(my $out, PF_INET, SOCK_DGRAM, 0) or die $!;
send($out, "x" x 100, 0, getsockname($in)) or die $!;
recv($in, my $text, 200, 0);
