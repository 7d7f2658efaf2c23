// Runs in the single executable before Node: stores which signals are ignored, because Node resets
// them, and continues where Node begins. The build fills in both addresses (scripts/binary/entry.mjs
// has this as machine code). rt_sigaction of each signal; x0 belongs to the loader.
  sub sp, sp, #48
  str x0, [sp, #32]
  mov x19, #0
  mov x20, #1
1: mov x8, #134
  mov x0, x20
  mov x1, #0
  mov x2, sp
  mov x3, #8
  svc #0
  cbnz x0, 2f
  ldr x4, [sp]
  cmp x4, #1
  b.ne 2f
  sub x5, x20, #1
  mov x6, #1
  lsl x6, x6, x5
  orr x19, x19, x6
2: add x20, x20, #1
  cmp x20, #65
  b.ne 1b
  ldr x4, storage
  str x19, [x4]
  ldr x0, [sp, #32]
  add sp, sp, #48
  ldr x4, entry
  br x4
  .balign 8
entry: .quad 0
storage: .quad 0
