// What the kernels say of the device, in CUDA C++.

#define HAS_DOUBLE

#define KERNEL extern "C" __global__ __launch_bounds__(THREAD_LIMIT) void
#define INLINE static __device__ __forceinline__
/// A function that is called rarely enough to be a call, which keeps the text of the kernels short.
#define CALLED static __device__ __noinline__
/// How a kernel gets a structure, and how it passes it on: without copies, which every thread would have to make.
#define ARGUMENT(type) const __grid_constant__ type
#define PASSED(type) const type &
#define GLOBAL
#define LOCAL
/// The shared memory of a block: a kernel's last argument, and what it is called in the kernel.
#define SHARED_ARGUMENT
extern __shared__ uint4 shared_memory[];
#define SHARED_MEMORY shared_memory

#define THREAD ((int)threadIdx.x)
#define THREADS ((int)blockDim.x)
#define BLOCK ((long)blockIdx.x)
#define WAIT __syncthreads()

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

INLINE uint as_uint(float value) { return __float_as_uint(value); }
INLINE float as_float(uint bits) { return __uint_as_float(bits); }
INLINE ulong as_ulong(double value) { return (ulong)__double_as_longlong(value); }
INLINE double as_double(ulong bits) { return __longlong_as_double((long long)bits); }

#define NAN __int_as_float(0x7fffffff)

// Half-width values from and to their bits.
INLINE float float_of_half(ushort bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
INLINE ushort half_of_float(float value) {
  ushort bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
