#pragma once

/// The arguments that the process was started with, the program's name first.
///
/// - Returns: how many there are; 0 where the system gave none.
int process_arguments(char *_Nullable const *_Nullable *_Nonnull arguments);

/// Makes what caught signals are passed on by, so that a thread can wait for them.
///
/// - Returns: 0, or -1 with the reason in errno.
int process_prepare_for_signals(void);

/// Catches all signals that would end the process and are not ignored already. Signals of faults of the program itself
/// and SIGXFSZ are not among them. To be called when a thread waits for them, as what catches them waits for it, and
/// before there are threads besides.
///
/// - Returns: 0, or -1 with the reason in errno.
int process_catch_signals(void);

/// Waits until a signal that was caught arrives.
///
/// - Returns: its number.
int process_wait_for_signal(void);

/// Ends the process by a signal, as if it had not been caught.
_Noreturn void process_end(int signal);
