import CNormKernels
import Foundation

/// The inner loops for one instruction set.
package struct Kernels: @unchecked Sendable {
  // Unchecked: the table is constant.
  let table: UnsafePointer<norm_kernels>

  /// `avx512`, `avx2`, `x86_64` or `neon`.
  package var name: String { String(cString: table.pointee.name) }

  /// Whether products and sums are rounded once. All such have the same bits.
  package var hasFMA: Bool { table.pointee.has_fma }

  /// Those that this processor runs, the fastest first.
  package static let available: [Kernels] = {
    var tables: [Kernels] = []
    var index = 0
    while let table = norm_kernels_at(index) {
      if table.pointee.runs_here() { tables.append(Kernels(table: table)) }
      index += 1
    }
    return tables
  }()

  /// The fastest, or what the environment variable `INSTNORM_ISA` names; nil for `plain`, which is Swift without them.
  package static let chosen: Kernels? = {
    let wanted = ProcessInfo.processInfo.environment["INSTNORM_ISA"] ?? ""
    if wanted == "plain" { return nil }
    if let named = available.first(where: { $0.name == wanted }) { return named }
    if !wanted.isEmpty {
      let names = (available.map(\.name) + ["plain"]).joined(separator: ", ")
      let message = "instnorm: INSTNORM_ISA is '\(wanted)'; this processor has \(names). Going on with the first.\n"
      FileHandle.standardError.write(Data(message.utf8))
    }
    return available.first
  }()
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
