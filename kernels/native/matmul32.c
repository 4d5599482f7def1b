// C = A B; the native version does not depend on the kernel's tile.
#include "matmul.h"

ENTRY(matmul32) { matmul(PTR(0), PTR(1), PTR(2), I32(3)); }
