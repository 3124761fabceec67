import CElementKernels
import CNormKernels
import Tensors

/// The inner loops of everything but normalisation, for one instruction set.
struct ElementKernels: @unchecked Sendable {
  // Unchecked: the table is constant.
  private let address: UnsafePointer<element_kernels>

  var table: element_kernels {
    @inline(__always)
    unsafeAddress { address }
  }

  private let instructionSet: InstructionSet

  private init?(_ set: InstructionSet) {
    var index = 0
    while let table = element_kernels_at(index) {
      if String(cString: table.pointee.name) == set.rawValue {
        address = table
        instructionSet = set
        return
      }
      index += 1
    }
    return nil
  }

  private static let available = InstructionSet.available.compactMap { ElementKernels($0) }
  private static let chosen = available.first { $0.instructionSet == .chosen }

  /// nil for `plain`, which is Swift without them.
  static func of(_ backend: CPUBackend) -> ElementKernels? {
    if backend.instructionSet == .chosen { return chosen }
    return available.first { $0.instructionSet == backend.instructionSet }
  }
}

extension CPUBackend {
  var elementKernels: ElementKernels? { .of(self) }
}
