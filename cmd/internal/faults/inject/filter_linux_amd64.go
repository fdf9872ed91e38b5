package inject

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// filter is a program of the kernel's packet filter that stops a thread at a watched call and lets every other be made.
func filter() []byte {
	const numberAt, archAt = 0, 4 // in struct seccomp_data
	numbers := slices.Sorted(maps.Keys(watched))
	var code []byte
	add := func(op uint16, yes, no int, value uint32) {
		code = binary.LittleEndian.AppendUint16(code, op)
		code = append(code, byte(yes), byte(no))
		code = binary.LittleEndian.AppendUint32(code, value)
	}
	add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, archAt)
	add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, len(numbers)+1, unix.AUDIT_ARCH_X86_64)
	add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, numberAt)
	for i, number := range numbers {
		add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, len(numbers)-i, 0, uint32(number))
	}
	add(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW)
	add(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_TRACE)
	return code
}

// install makes a process that is stopped before its first instruction install the filter: it makes two calls in the
// place of that instruction, and is put back.
func install(pid int) (err error) {
	var saved syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &saved); err != nil {
		return fmt.Errorf("reading the registers: %w", err)
	}
	code := filter()
	const redZone = 128
	program := (saved.Rsp - redZone - uint64(len(code)) - 16) &^ 15
	// struct sock_fprog: the number of instructions, and where they are.
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(code)/8))
	data = binary.LittleEndian.AppendUint64(data, program+16)
	if _, err := syscall.PtracePokeData(pid, uintptr(program), append(data, code...)); err != nil {
		return fmt.Errorf("writing to the stack: %w", err)
	}
	instruction, first := []byte{0x0f, 0x05}, make([]byte, 2) // syscall
	if _, err := syscall.PtracePeekText(pid, uintptr(saved.Rip), first); err != nil {
		return fmt.Errorf("reading the first instruction: %w", err)
	}
	if _, err := syscall.PtracePokeText(pid, uintptr(saved.Rip), instruction); err != nil {
		return fmt.Errorf("changing the first instruction: %w", err)
	}
	if err := makeCall(pid, saved, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if err := makeCall(pid, saved, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, program); err != nil {
		return fmt.Errorf("installing a seccomp filter: %w", err)
	}
	if _, err := syscall.PtracePokeText(pid, uintptr(saved.Rip), first); err != nil {
		return fmt.Errorf("putting the first instruction back: %w", err)
	}
	if err := syscall.PtraceSetRegs(pid, &saved); err != nil {
		return fmt.Errorf("putting the registers back: %w", err)
	}
	return nil
}

// makeCall makes a stopped process, which is at a syscall instruction, make a call.
func makeCall(pid int, regs syscall.PtraceRegs, number, first, second, third uint64) error {
	regs.Rax, regs.Orig_rax = number, ^uint64(0) // no call is to be made again
	regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8 = first, second, third, 0, 0
	if err := syscall.PtraceSetRegs(pid, &regs); err != nil {
		return err
	}
	if err := syscall.PtraceSingleStep(pid); err != nil {
		return err
	}
	var status syscall.WaitStatus
	if _, err := wait(pid, &status); err != nil {
		return err
	}
	if !status.Stopped() || status.StopSignal() != syscall.SIGTRAP {
		return fmt.Errorf("the process did not stop after the call (wait status %#x)", uint32(status))
	}
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return err
	}
	if result := int64(regs.Rax); result < 0 {
		return syscall.Errno(-result)
	}
	return nil
}
