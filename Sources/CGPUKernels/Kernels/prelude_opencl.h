// What the kernels say of the device, in OpenCL C 1.2.

#pragma OPENCL FP_CONTRACT OFF
#ifdef HAS_DOUBLE
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

#define KERNEL __kernel void
#define INLINE static inline
/// A function that is called rarely enough to be a call, where that can be asked for.
#ifdef CALLS
#define CALLED static __attribute__((noinline))
#else
#define CALLED static
#endif
/// How a kernel gets a structure, and how it passes it on.
#define ARGUMENT(type) type
#define PASSED(type) type
#define GLOBAL __global
#define LOCAL __local
/// The shared memory of a block: a kernel's last argument, and what it is called in the kernel.
#define SHARED_ARGUMENT , __local uint4 *shared_memory
#define SHARED_MEMORY shared_memory

#define THREAD ((int)get_local_id(0))
#define THREADS ((int)get_local_size(0))
#define BLOCK ((long)get_group_id(0))
#define WAIT barrier(CLK_LOCAL_MEM_FENCE)

// Half-width values from and to their bits.
INLINE float float_of_half(ushort bits) { return vload_half(0, (const half *)&bits); }
INLINE ushort half_of_float(float value) {
  ushort bits;
  vstore_half_rte(value, 0, (half *)&bits);
  return bits;
}
