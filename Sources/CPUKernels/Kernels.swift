import CConvolutionKernels
import CElementKernels
import CNormKernels
import Tensors

/// The inner loops of a kind of work for one instruction set: C's table of functions.
package struct Kernels<Table: KernelTable>: @unchecked Sendable {
  // Unchecked: the table is constant.
  private let address: UnsafePointer<Table>
  fileprivate let instructionSet: InstructionSet

  var table: Table {
    @inline(__always)
    unsafeAddress { address }
  }

  fileprivate init?(_ set: InstructionSet) {
    var index = 0
    while let table = Table.at(index) {
      if String(cString: table.pointee.name) == set.rawValue {
        (address, instructionSet) = (table, set)
        return
      }
      index += 1
    }
    return nil
  }
}

/// The tables of a kind, one for each instruction set, in C.
package protocol KernelTable: SendableMetatype {
  var name: UnsafePointer<CChar> { get }
  /// nil beyond the last.
  static func at(_ index: Int) -> UnsafePointer<Self>?
}

/// Those that this processor runs.
private struct AvailableKernels<Table: KernelTable>: Sendable {
  private let all: [Kernels<Table>]
  private let chosen: Kernels<Table>?

  init() {
    all = InstructionSet.available.compactMap(Kernels.init)
    chosen = all.first { $0.instructionSet == .chosen }
  }

  /// nil for `plain`, which is Swift without them.
  @inline(__always)
  func of(_ backend: CPUBackend) -> Kernels<Table>? {
    if backend.instructionSet == .chosen { return chosen }
    return all.first { $0.instructionSet == backend.instructionSet }
  }
}

extension norm_kernels: KernelTable {
  package static func at(_ index: Int) -> UnsafePointer<norm_kernels>? { norm_kernels_at(index) }
}

extension element_kernels: KernelTable {
  package static func at(_ index: Int) -> UnsafePointer<element_kernels>? { element_kernels_at(index) }
}

extension convolution_kernels: KernelTable {
  package static func at(_ index: Int) -> UnsafePointer<convolution_kernels>? { convolution_kernels_at(index) }
}

package typealias NormKernels = Kernels<norm_kernels>
typealias ElementKernels = Kernels<element_kernels>
typealias ConvolutionKernels = Kernels<convolution_kernels>

private let normKernels = AvailableKernels<norm_kernels>()
private let elementKernels = AvailableKernels<element_kernels>()
private let convolutionKernels = AvailableKernels<convolution_kernels>()

extension CPUBackend {
  package var normKernels: NormKernels? { CPUKernels.normKernels.of(self) }
  var elementKernels: ElementKernels? { CPUKernels.elementKernels.of(self) }
  var convolutionKernels: ConvolutionKernels? { CPUKernels.convolutionKernels.of(self) }
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
