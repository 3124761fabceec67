// What Swift cannot say, or not in one way for all systems: what the processor can do, the instruction for a waiting
// loop, a variable that each thread has for itself, threads that take no signals, what they sleep on, and closures that
// they call. Whoever imports this has the C library.

#ifndef CTENSORS_H
#define CTENSORS_H

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Which instruction sets this processor runs.
bool tensors_has_avx512(void);
bool tensors_has_avx2(void);
bool tensors_is_x86_64(void);
bool tensors_is_arm64(void);

/// How many processors this process may run on, 1 or more.
int tensors_processor_count(void);

/// Nanoseconds since some moment in the past.
uint64_t tensors_now(void);

/// Starts a thread for `body(context)` that takes no signals. Debuggers and profilers show it as "instnorm-<number>".
/// False where there is no thread to be had.
bool tensors_start_thread(int number, size_t stack_bytes, void (*_Nonnull body)(void *_Nonnull context),
                          void *_Nonnull context);

/// What a thread sleeps on until another one rings.
typedef struct tensors_alarm tensors_alarm;

/// NULL where there is no memory for it.
tensors_alarm *_Nullable tensors_new_alarm(void);
void tensors_free_alarm(tensors_alarm *_Nonnull alarm);
void tensors_ring(tensors_alarm *_Nonnull alarm);

/// Returns once it has rung, since the last time that somebody waited.
void tensors_wait_for_ring(tensors_alarm *_Nonnull alarm);

/// What a closure of Swift's of type (Int) -> Void is made of.
typedef struct tensors_closure {
  void *_Nullable function, *_Nullable context;
} tensors_closure;

void tensors_call_closure(tensors_closure closure, intptr_t argument);

/// What a waiting loop does between two looks.
static inline void tensors_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// The gradients that are being recorded on this thread; null for none.
extern _Thread_local void *_Nullable tensors_recording;

static inline void *_Nullable tensors_get_recording(void) { return tensors_recording; }
static inline void tensors_set_recording(void *_Nullable recording) { tensors_recording = recording; }

#endif
