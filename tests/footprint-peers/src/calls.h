// What lifecycle.c needs of a C library: `_start`, as in tests/start, and the calls.

#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

__asm__(".globl _start\n_start:\n"
        "xor %ebp, %ebp\n"
        "mov %rsp, %rdi\n"
        "call main\n"
        "xchg %eax, %edi\n"
        "mov $231, %eax\n"
        "syscall\n");

#define CALL(number, ...)                                                      \
    ({                                                                         \
        long result;                                                           \
        __asm__ volatile("syscall"                                             \
                         : "=a"(result)                                        \
                         : "a"((long)(number)), __VA_ARGS__                    \
                         : "rcx", "r11", "memory");                            \
        result;                                                                \
    })
#define CALL1(number, a) CALL(number, "D"((long)(a)))
#define CALL2(number, a, b) CALL(number, "D"((long)(a)), "S"((long)(b)))
#define CALL3(number, a, b, c) \
    CALL(number, "D"((long)(a)), "S"((long)(b)), "d"((long)(c)))

#elif defined(__aarch64__)

__asm__(".globl _start\n_start:\n"
        "mov x29, xzr\n"
        "mov x30, xzr\n"
        "mov x0, sp\n"
        "bl main\n"
        "mov x8, #94\n"
        "svc #0\n");

#define CALL1(number, a)                                                       \
    ({                                                                         \
        register long x8 __asm__("x8") = (long)(number);                       \
        register long x0 __asm__("x0") = (long)(a);                            \
        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");            \
        x0;                                                                    \
    })
#define CALL2(number, a, b)                                                    \
    ({                                                                         \
        register long x8 __asm__("x8") = (long)(number);                       \
        register long x0 __asm__("x0") = (long)(a);                            \
        register long x1 __asm__("x1") = (long)(b);                            \
        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");   \
        x0;                                                                    \
    })
#define CALL3(number, a, b, c)                                                 \
    ({                                                                         \
        register long x8 __asm__("x8") = (long)(number);                       \
        register long x0 __asm__("x0") = (long)(a);                            \
        register long x1 __asm__("x1") = (long)(b);                            \
        register long x2 __asm__("x2") = (long)(c);                            \
        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");\
        x0;                                                                    \
    })

#elif defined(__riscv)

__asm__(".globl _start\n_start:\n"
        ".option push\n"
        ".option norelax\n"
        "la gp, __global_pointer$\n"
        ".option pop\n"
        "mv s0, zero\n"
        "mv ra, zero\n"
        "mv a0, sp\n"
        "call main\n"
        "li a7, 94\n"
        "ecall\n");

#define CALL1(number, a)                                                       \
    ({                                                                         \
        register long a7 __asm__("a7") = (long)(number);                       \
        register long a0 __asm__("a0") = (long)(a);                            \
        __asm__ volatile("ecall" : "+r"(a0) : "r"(a7) : "memory");             \
        a0;                                                                    \
    })
#define CALL2(number, a, b)                                                    \
    ({                                                                         \
        register long a7 __asm__("a7") = (long)(number);                       \
        register long a0 __asm__("a0") = (long)(a);                            \
        register long a1 __asm__("a1") = (long)(b);                            \
        __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1) : "memory");    \
        a0;                                                                    \
    })
#define CALL3(number, a, b, c)                                                 \
    ({                                                                         \
        register long a7 __asm__("a7") = (long)(number);                       \
        register long a0 __asm__("a0") = (long)(a);                            \
        register long a1 __asm__("a1") = (long)(b);                            \
        register long a2 __asm__("a2") = (long)(c);                            \
        __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");\
        a0;                                                                    \
    })

#endif

static inline int memfd_create(const char *name, unsigned flags)
{
    return CALL2(SYS_memfd_create, name, flags);
}

static inline long write(int file, const void *bytes, unsigned long len)
{
    return CALL3(SYS_write, file, bytes, len);
}

// By the number of its arguments, two or three.
#define fcntl(file, ...) FCNTL(file, __VA_ARGS__, CALL3, CALL2, )
#define FCNTL(file, command, argument, by, ...) FCNTL_##by(file, command, argument)
#define FCNTL_CALL3(file, command, argument) (int)CALL3(SYS_fcntl, file, command, argument)
#define FCNTL_CALL2(file, command, argument) (int)CALL2(SYS_fcntl, file, command)

static inline int close(int file)
{
    return CALL1(SYS_close, file);
}
