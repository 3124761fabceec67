import InstanceNorm

/// What follows the convolutions of networks that leave the choice, as junyanz/pytorch-CycleGAN-and-pix2pix has it.
public enum NormalizationChoice: String, CaseIterable, Hashable, Sendable {
  /// Instance normalisation without scale and bias, after convolutions with a bias: CycleGAN.
  case instance
  /// Batch normalisation with scale, bias and running statistics, after convolutions without a bias: pix2pix.
  case batch

  func layer(_ maps: Int) throws -> Normalization {
    switch self {
    case .instance: try InstanceNorm2D(numOfMaps: maps, affine: false)
    case .batch: try BatchNorm2D(numOfMaps: maps)
    }
  }

  /// Whether convolutions before it have a bias.
  var followsBias: Bool { self == .instance }

  /// The one that a file's layer of this name is.
  init(of name: String, in file: StateDict) {
    self = file.entries["\(name).weight"]?.shape.rank == 1 ? .batch : .instance
  }
}

extension Blueprint {
  func norm(or usual: NormalizationChoice) throws -> NormalizationChoice {
    try choice("norm", or: usual)
  }

  func valueRange(or usual: ValueRange) throws -> ValueRange {
    try choice("valueRange", or: usual)
  }

  private func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, or usual: Choice
  ) throws -> Choice {
    guard let text = try string(name) else { return usual }
    guard let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw ModuleError.blueprint(reason: "\(classname): argument '\(name)': expected \(known), got \(text)")
    }
    return choice
  }
}
