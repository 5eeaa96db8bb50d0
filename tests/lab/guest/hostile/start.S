/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry of each CPU, and exceptions.  The MMU stays off.
 */

        .section .start, "ax"
        .global _start, start_secondary
_start:
        mov     x0, #0
start_secondary:                        /* x0: the number of the CPU */
        msr     daifset, #15
        ldr     x1, =stacks
        add     x2, x0, #1
        lsl     x2, x2, #14
        add     sp, x1, x2
        ldr     x1, =vectors
        msr     vbar_el1, x1
        isb
        bl      start_cpu
1:      wfi
        b       1b

/* An access that fails is left out: what a hostile guest does often fails */
        .text
skip:
        stp     x0, x1, [sp, #-16]!
        ldr     x0, =refused_accesses
        ldr     x1, [x0]
        add     x1, x1, #1
        str     x1, [x0]
        mrs     x0, elr_el1
        add     x0, x0, #4
        msr     elr_el1, x0
        ldp     x0, x1, [sp], #16
        eret

        .balign 2048
vectors:
        .rept   16
        b       skip
        .balign 128
        .endr

/* hvc(function, x1, x2, x3) */
        .global hvc
hvc:    hvc     #0
        ret

        .bss
        .balign 16
stacks: .skip   2 << 14
