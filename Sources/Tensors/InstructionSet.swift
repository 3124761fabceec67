import CTensors

/// What kernels are compiled for.
package enum InstructionSet: String, CaseIterable, Sendable {
  // The fastest of an architecture first.
  case avx512
  case avx2
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case x86_64
  case neon
  /// Swift on float64 alone, without kernels.
  case plain

  /// Whether products and sums are rounded once. All such have the same bits.
  package var hasFMA: Bool { self != .x86_64 && self != .plain }

  /// Those that this processor runs, the fastest first and `plain` last.
  package static let available = allCases.filter { set in
    switch set {
    case .avx512: tensors_has_avx512()
    case .avx2: tensors_has_avx2()
    case .x86_64: tensors_is_x86_64()
    case .neon: tensors_is_arm64()
    case .plain: true
    }
  }

  /// The fastest, or what the environment variable `INSTNORM_ISA` names.
  package static let chosen: InstructionSet = {
    let wanted = getenv("INSTNORM_ISA").map { String(cString: $0) } ?? ""
    if let named = available.first(where: { $0.rawValue == wanted }) { return named }
    if !wanted.isEmpty {
      let names = available.map(\.rawValue).joined(separator: ", ")
      let message = "instnorm: INSTNORM_ISA is '\(wanted)'; this processor has \(names). Going on with the first.\n"
      _ = write(STDERR_FILENO, message, message.utf8.count)
    }
    return available.first ?? .plain
  }()
}
