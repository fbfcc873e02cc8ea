# System calls with known arguments, between two of getppid(2). Numbers are of x86-64.
my ($a, $b) = ("/nonexistent/a b\n", "/nonexistent/b");
my $buf = "hello\0" x 10;
sub sys { my $nr = shift; syscall($nr, @_) }
sys(110);                                   # getppid
sys(257, -100, $a, 0x80000, 0);             # openat O_RDONLY|O_CLOEXEC
sys(257, -100, $b, 01101, 0644);            # openat O_WRONLY|O_CREAT|O_TRUNC
sys(2, $b, 02002, 0);                       # open O_RDWR|O_APPEND
sys(83, $b, 0755);                          # mkdir
sys(87, $b);                                # unlink
sys(82, $a, $b);                            # rename
sys(90, $b, 0600);                          # chmod
sys(21, $b, 4);                             # access R_OK
sys(1, 99, $buf, 5);                        # write
sys(0, 99, 0, 7);                           # read
sys(3, 99);                                 # close
sys(8, 99, -5, 2);                          # lseek SEEK_END
sys(33, 99, 98);                            # dup2
sys(62, 0, 0);                              # kill
sys(41, 1, 0x80001, 0);                     # socket
sys(10, 0, 0, 3);                           # mprotect
sys(9, 0, 0, 1, 0x22, -1, 0);               # mmap
sys(72, 99, 3, 0);                          # fcntl F_GETFL
sys(105, 99999) if 0;
sys(95, 022);                               # umask
sys(39);                                    # getpid
sys(110);
