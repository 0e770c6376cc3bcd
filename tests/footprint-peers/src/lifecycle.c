// The lifecycle of tests/footprint's `bare` in C: with musl, or with what `calls.h` brings.

#ifdef WITHOUT_LIBC
#include "calls.h"
#else
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#ifdef NOTHING
int main(void)
{
    return 0;
}
#else

static const unsigned char page[4096] = {[0 ... 4095] = 7};

static int with(int file)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

    if (write(file, page, sizeof page) != sizeof page)
        return 1;
    if (fcntl(file, F_ADD_SEALS, seals))
        return 1;
    return fcntl(file, F_GET_SEALS) != seals;
}

int main(void)
{
    int file, failed;

    file = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return 1;
    failed = with(file);
    close(file);
    return failed;
}
#endif
