#define _GNU_SOURCE
#include "include/CTensors.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

_Thread_local void *tensors_recording = 0;

#if defined(__x86_64__)
bool tensors_has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
bool tensors_has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool tensors_is_x86_64(void) { return true; }
#else
bool tensors_has_avx512(void) { return false; }
bool tensors_has_avx2(void) { return false; }
bool tensors_is_x86_64(void) { return false; }
#endif

#if defined(__aarch64__)
bool tensors_is_arm64(void) { return true; }
#else
bool tensors_is_arm64(void) { return false; }
#endif

int tensors_processor_count(void) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
#endif
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 && count <= INT_MAX ? (int)count : 1;
}

uint64_t tensors_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// MARK: Closures

// Swift hands a closure over as two arguments, its code and what it has captured, and calls it with the latter in a
// register of its own.
#define SWIFT __attribute__((swiftcall))
SWIFT void tensors_take_apart(void *function, void *context, tensors_closure *parts);

SWIFT void tensors_take_apart(void *function, void *context, tensors_closure *parts) {
  *parts = (tensors_closure){function, context};
}

void tensors_call_closure(tensors_closure closure, intptr_t argument) {
  typedef SWIFT void body(intptr_t argument, __attribute__((swift_context)) void *context);
  ((body *)closure.function)(argument, closure.context);
}

// MARK: Threads

struct tensors_alarm {
  pthread_mutex_t lock;
  pthread_cond_t condition;
  bool is_ringing;
};

tensors_alarm *tensors_new_alarm(void) {
  tensors_alarm *alarm = malloc(sizeof *alarm);
  if (!alarm) return 0;
  pthread_mutex_init(&alarm->lock, 0);
  pthread_cond_init(&alarm->condition, 0);
  alarm->is_ringing = false;
  return alarm;
}

void tensors_free_alarm(tensors_alarm *alarm) {
  pthread_cond_destroy(&alarm->condition);
  pthread_mutex_destroy(&alarm->lock);
  free(alarm);
}

void tensors_ring(tensors_alarm *alarm) {
  pthread_mutex_lock(&alarm->lock);
  alarm->is_ringing = true;
  pthread_cond_signal(&alarm->condition);
  pthread_mutex_unlock(&alarm->lock);
}

void tensors_wait_for_ring(tensors_alarm *alarm) {
  pthread_mutex_lock(&alarm->lock);
  while (!alarm->is_ringing) pthread_cond_wait(&alarm->condition, &alarm->lock);
  alarm->is_ringing = false;
  pthread_mutex_unlock(&alarm->lock);
}

typedef struct start {
  char name[16];
  void (*body)(void *context);
  void *context;
} start;

static void *run(void *argument) {
  const start own = *(start *)argument;
  free(argument);
  // A name given before the start does not reach debuggers and profilers.
#if defined(__APPLE__)
  pthread_setname_np(own.name);
#else
  pthread_setname_np(pthread_self(), own.name);
#endif
  own.body(own.context);
  return 0;
}

bool tensors_start_thread(int number, size_t stack_bytes, void (*body)(void *context), void *context) {
  start *own = malloc(sizeof *own);
  if (!own) return false;
  *own = (start){.body = body, .context = context};
  snprintf(own->name, sizeof own->name, "instnorm-%d", number);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals are for the program's own threads; a new one takes its mask from who starts it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread;
  const bool isStarted = pthread_create(&thread, &attributes, run, own) == 0;
  pthread_sigmask(SIG_SETMASK, &before, 0);
  pthread_attr_destroy(&attributes);
  if (!isStarted) free(own);
  return isStarted;
}
