// The timing loops of compare.py, which would otherwise time Python: a call from there takes longer than a small shape.
// Each returns seconds for `calls` calls, or a negative number where a call fails.

#include "instancenorm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double time_forward(const instnorm_planes *planes, const instnorm_options *options, const void *x, const void *scale,
                    const void *bias, const void *residual, void *y, int64_t calls) {
  double start = now();
  for (int64_t i = 0; i < calls; i++) {
    if (instnorm_forward(planes, options, x, scale, bias, residual, y, NULL, NULL) != INSTNORM_OK) return -1;
  }
  return now() - start;
}

double time_forward_backward(const instnorm_planes *planes, const instnorm_options *options, const void *x,
                             const void *scale, const void *bias, const void *dy, void *y, double *mean,
                             double *inv_std, void *dx, void *dscale, void *dbias, int64_t calls) {
  double start = now();
  for (int64_t i = 0; i < calls; i++) {
    if (instnorm_forward(planes, options, x, scale, bias, NULL, y, mean, inv_std) != INSTNORM_OK) return -1;
    if (instnorm_backward(planes, options, dy, x, scale, bias, NULL, mean, inv_std, dx, dscale, dbias, NULL) !=
        INSTNORM_OK)
      return -1;
  }
  return now() - start;
}

// memcpy is called through this, so that no compiler leaves out copies that are never looked at.
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;

double time_copy(void *to, const void *from, size_t bytes, int64_t calls) {
  double start = now();
  for (int64_t i = 0; i < calls; i++) copy(to, from, bytes);
  return now() - start;
}

// A copy by several threads, that wait for each other as fast as can be: they look at memory and never sleep.

enum { most_threads = 256 };

typedef struct team {
  char *to;
  const char *from;
  size_t bytes;
  int64_t calls;
  int threads;
  _Alignas(128) _Atomic int64_t begun;
  _Alignas(128) _Atomic int64_t ended;
} team;

typedef struct member {
  team *team;
  int index;
} member;

static void copy_part(const team *team, int index) {
  // Whole cache lines, so that no two threads write to one.
  size_t part = (team->bytes / (size_t)team->threads + 63) / 64 * 64;
  size_t begin = part * (size_t)index;
  if (begin >= team->bytes) return;
  size_t left = team->bytes - begin;
  copy(team->to + begin, team->from + begin, left < part ? left : part);
}

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void *take_part(void *argument) {
  const member *self = argument;
  for (int64_t call = 1; call <= self->team->calls; call++) {
    while (atomic_load_explicit(&self->team->begun, memory_order_acquire) < call) pause_briefly();
    copy_part(self->team, self->index);
    atomic_fetch_add_explicit(&self->team->ended, 1, memory_order_release);
  }
  return NULL;
}

double time_split_copy(void *to, const void *from, size_t bytes, int threads, int64_t calls) {
  if (threads < 1 || threads > most_threads) return -1;
  // The first call is not timed: its threads only start.
  team team = {.to = to, .from = from, .bytes = bytes, .calls = calls + 1, .threads = threads};
  member members[most_threads];
  pthread_t handles[most_threads];
  for (int i = 1; i < threads; i++) {
    members[i] = (member){.team = &team, .index = i};
    if (pthread_create(&handles[i], NULL, take_part, &members[i]) != 0) {
      // The ones that have started look at this function's memory until they have had all their turns.
      atomic_store_explicit(&team.begun, calls + 1, memory_order_release);
      while (--i > 0) pthread_join(handles[i], NULL);
      return -1;
    }
  }
  double start = 0;
  for (int64_t call = 1; call <= calls + 1; call++) {
    if (call == 2) start = now();
    atomic_store_explicit(&team.begun, call, memory_order_release);
    copy_part(&team, 0);
    while (atomic_load_explicit(&team.ended, memory_order_acquire) < call * (threads - 1)) pause_briefly();
  }
  double time = now() - start;
  for (int i = 1; i < threads; i++) pthread_join(handles[i], NULL);
  return time;
}
