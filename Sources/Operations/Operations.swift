// What users of operations see of the targets below.

@_exported import CPUKernels
@_exported import Calls
@_exported import Tensors
