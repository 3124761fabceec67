// What Swift cannot say: what the processor can do, the instruction for a waiting loop, and a variable that each thread has for itself.

#ifndef CTENSORS_H
#define CTENSORS_H

#include <stdbool.h>

// Which instruction sets this processor runs.
bool tensors_has_avx512(void);
bool tensors_has_avx2(void);
bool tensors_is_x86_64(void);
bool tensors_is_arm64(void);

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
