	.text
	.globl	start
	.type	start, @function
start:
	nop
	jmp	other
	.size	start, .-start
	.section .note.GNU-stack,"",@progbits
