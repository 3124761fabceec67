import InstanceNorm

/// A network on pictures, (N, C, H, W): what the networks of this module have in common.
///
/// It computes with the maps last (`Layout.nhwc`), in which convolutions are fast, and gives its result in the layout of
/// the data.
public class Network: Module {
  /// C of the data.
  public let inMaps: Int
  /// Which tensors of the file that the weights came from were passed over, a line for each kind.
  public internal(set) var notes: [String] = []

  private let arguments: [String: Blueprint.Argument]

  /// - Parameter arguments: those of the constructor that are not this one's.
  init(inMaps: Int, name: String?, _ arguments: [String: Blueprint.Argument]) {
    self.inMaps = inMaps
    self.arguments = arguments
    super.init(name: name)
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["inMaps"] = .int(inMaps)
    blueprint.scheme.merge(arguments) { $1 }
    return blueprint
  }

  /// The network in words: its class, and what its constructor was given.
  public final var described: String {
    let arguments = blueprint.scheme.filter { $0.value != .null }.sorted { $0.key < $1.key }
    return ([className] + arguments.map { "\($0.key) \($0.value.text)" }).joined(separator: ", ")
  }

  public override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank == 4, shape[1] == inMaps, shape[2] > 0, shape[3] > 0 else {
      throw ModuleError.dataShape(module: label, expected: "(N, \(inMaps), H, W), with pixels", got: shape)
    }
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    try layers(data.to(.nhwc)).to(data.layout)
  }

  /// What the layers make of data whose maps are last.
  func layers(_ x: Tensor) throws -> Tensor {
    throw ModuleError.notOverridden(module: label, method: "layers")
  }

  /// Refuses a number that a constructor was given.
  static func require(_ name: String, _ got: Int, from least: Int, to most: Int = 1 << 20) throws {
    guard (least...most).contains(got) else {
      throw ModuleError.argument(module: "\(Self.self)", name: name, expected: "\(least) to \(most)", got: "\(got)")
    }
  }
}

/// A network that makes pictures of pictures, of the same height and width, whatever these are.
///
/// Layers that halve and double sizes give another size than they got, unless it is a multiple of a power of two. A
/// picture of another size is mirrored at its right and lower edge up to the next, and the result is cropped.
public class Generator: Network {
  /// C of the result.
  public let outMaps: Int
  /// What the numbers of data and result mean.
  public let valueRange: ValueRange
  /// What the layers want heights and widths to be a multiple of.
  let multiple: Int
  /// The smallest height and width that the layers take.
  let least: Int

  init(
    inMaps: Int, outMaps: Int, valueRange: ValueRange, multiple: Int, least: Int, name: String?,
    _ arguments: [String: Blueprint.Argument]
  ) {
    self.outMaps = outMaps
    self.valueRange = valueRange
    self.multiple = multiple
    self.least = least
    super.init(inMaps: inMaps, name: name, arguments)
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return [shape[0], outMaps, shape[2], shape[3]]
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    let (height, width) = (data.shape[2], data.shape[3])
    return try layers(data.to(.nhwc).mirrored(to: multiple, atLeast: least))
      .cropped(rows: 0..<height, columns: 0..<width).to(data.layout)
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["outMaps"] = .int(outMaps)
    blueprint.scheme["valueRange"] = .string(valueRange.rawValue)
    return blueprint
  }
}

extension Blueprint.Argument {
  fileprivate var text: String {
    switch self {
    case .null: "none"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    case .string(let value): value
    case .ints(let values): "\(values)"
    case .strings(let values): values.joined(separator: " ")
    }
  }
}

extension Tensor {
  /// Pictures that are mirrored at their right and lower edge until height and width are multiples of a number.
  func mirrored(to multiple: Int, atLeast least: Int) throws -> Tensor {
    func extent(_ got: Int) -> Int { (Swift.max(got, least) + multiple - 1) / multiple * multiple }
    let (height, width) = (extent(shape[2]), extent(shape[3]))
    var y = self
    // A mirror shows no more than there is before it.
    while y.shape[2] < height || y.shape[3] < width {
      let rows = Swift.min(height - y.shape[2], Swift.max(y.shape[2] - 1, 1))
      let columns = Swift.min(width - y.shape[3], Swift.max(y.shape[3] - 1, 1))
      y = try y.padded(rows: (0, rows), columns: (0, 0), mode: y.shape[2] > 1 ? .reflect : .replicate)
      y = try y.padded(rows: (0, 0), columns: (0, columns), mode: y.shape[3] > 1 ? .reflect : .replicate)
    }
    return y
  }
}
