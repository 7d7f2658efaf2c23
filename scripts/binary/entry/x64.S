// Runs in the single executable before Node: stores which signals are ignored, because Node resets
// them, and continues where Node begins. The build fills in both addresses (scripts/binary/entry.mjs
// has this as machine code). rt_sigaction of each signal; rdx belongs to the loader.
  push %rdx
  sub $32, %rsp
  xor %ebx, %ebx
  mov $1, %ebp
1: mov $13, %eax
  mov %ebp, %edi
  xor %esi, %esi
  mov %rsp, %rdx
  mov $8, %r10d
  syscall
  test %eax, %eax
  jnz 2f
  cmpq $1, (%rsp)
  jne 2f
  lea -1(%rbp), %ecx
  mov $1, %eax
  shl %cl, %rax
  or %rax, %rbx
2: inc %ebp
  cmp $65, %ebp
  jne 1b
  mov storage(%rip), %rax
  mov %rbx, (%rax)
  add $32, %rsp
  pop %rdx
  xor %ebp, %ebp
  jmp *entry(%rip)
  .balign 8, 0xcc
entry: .quad 0
storage: .quad 0
