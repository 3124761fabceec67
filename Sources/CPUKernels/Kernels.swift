import CNormKernels
import Tensors

/// The inner loops of normalisation for one instruction set.
package struct Kernels: @unchecked Sendable {
  // Unchecked: the table is constant.
  let table: UnsafePointer<norm_kernels>

  package let instructionSet: InstructionSet

  /// Those that this processor runs, the fastest first.
  package static let available = InstructionSet.available.compactMap { Kernels($0) }

  private init?(_ set: InstructionSet) {
    var index = 0
    while let table = norm_kernels_at(index) {
      if String(cString: table.pointee.name) == set.rawValue {
        self.table = table
        instructionSet = set
        return
      }
      index += 1
    }
    return nil
  }

  private static let chosen = available.first { $0.instructionSet == .chosen }

  /// nil for `plain`, which is Swift without them.
  static func of(_ backend: CPUBackend) -> Kernels? {
    if backend.instructionSet == .chosen { return chosen }
    return available.first { $0.instructionSet == backend.instructionSet }
  }
}

extension CPUBackend {
  package var kernels: Kernels? { Kernels.of(self) }
}

extension DType {
  /// What the kernels call it; nil for float64, which they do not have.
  var kernelType: norm_type? {
    switch self {
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .float32: .float32
    case .float64: nil
    }
  }
}
