# Texts of 16 and 32 bit units, little-endian, handed to write(2).
sub put { my ($template, @units) = @_; my $text = pack($template, @units, 0); syscall(1, 99, $text, length $text) }
put("v*", unpack("C*", "Hall"), 0xf6, 0x20ac, 0xd83d, 0xde00, 33);
put("v*", 97, 0xd83d, 98);                  # half a character
put("V*", 97, 0xf6, 0x20ac, 0x1f600);
put("V*", 97, 0x110000);                    # beyond the last one
my $bytes = "bytes\n\0more";
syscall(1, 99, $bytes, 5);
syscall(1, 99, 16, 5);                      # no memory
