import InstanceNorm

// How results are compared.

/// Whether two tensors have the same values to the bit, whatever their layouts.
func sameBits(_ first: Tensor, _ second: Tensor) throws -> Bool {
  func bits(_ tensor: Tensor) throws -> [UInt64] { try tensor.array(of: Double.self).map(\.bitPattern) }
  return try first.dtype == second.dtype && bits(first) == bits(second)
}

/// The largest difference, relative to numbers of 1 and more, as a fraction of what is allowed.
func worstDifference(_ values: [Double], _ expected: [Double], allowed: Double) -> Double {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { worst, pair in
    let error = pair.0 == pair.1 ? 0 : abs(pair.0 - pair.1) / (allowed * max(1, abs(pair.1)))
    return error <= worst ? worst : error.isNaN ? .infinity : error
  }
}

/// The relative error that a few roundings may leave in a result.
func tolerance(of dtype: DType) -> Double {
  switch dtype {
  case .float16: 0x1p-9
  case .bfloat16: 0x1p-6
  case .float32: 1e-6
  case .float64: 1e-14
  }
}

func isOutOfMemory(_ error: any Error) -> Bool {
  if case TensorError.outOfMemory = error { return true }
  if case DeviceError.outOfMemory = error { return true }
  return false
}
