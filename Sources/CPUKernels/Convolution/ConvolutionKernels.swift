import CConvolutionKernels
import Tensors

/// The inner loops of convolution, for one instruction set.
struct ConvolutionKernels: @unchecked Sendable {
  // Unchecked: the table is constant.
  private let address: UnsafePointer<convolution_kernels>

  var table: convolution_kernels {
    @inline(__always)
    unsafeAddress { address }
  }

  private let instructionSet: InstructionSet

  private init?(_ set: InstructionSet) {
    var index = 0
    while let table = convolution_kernels_at(index) {
      if String(cString: table.pointee.name) == set.rawValue {
        address = table
        instructionSet = set
        return
      }
      index += 1
    }
    return nil
  }

  private static let available = InstructionSet.available.compactMap { ConvolutionKernels($0) }
  private static let chosen = available.first { $0.instructionSet == .chosen }

  /// nil for `plain`, which is Swift without them.
  static func of(_ backend: CPUBackend) -> ConvolutionKernels? {
    if backend.instructionSet == .chosen { return chosen }
    return available.first { $0.instructionSet == backend.instructionSet }
  }
}

extension CPUBackend {
  var convolutionKernels: ConvolutionKernels? { .of(self) }
}
