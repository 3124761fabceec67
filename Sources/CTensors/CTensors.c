#include "include/CTensors.h"

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
