import InstanceNorm

/// The networks of this module, under the names of their classes.
public enum Architecture: String, CaseIterable, Hashable, Sendable {
  case transformerNet = "TransformerNet"
  case conditionalTransformerNet = "ConditionalTransformerNet"
  case adaINNet = "AdaINNet"
  case resNetGenerator = "ResNetGenerator"
  case uNetGenerator = "UNetGenerator"
  case patchDiscriminator = "PatchDiscriminator"
  case vgg16 = "VGG16"
  case vgg19 = "VGG19"
  case smallVGG19 = "SmallVGG19"

  /// The class.
  public var type: any SavedNetwork.Type {
    switch self {
    case .transformerNet: TransformerNet.self
    case .conditionalTransformerNet: ConditionalTransformerNet.self
    case .adaINNet: AdaINNet.self
    case .resNetGenerator: ResNetGenerator.self
    case .uNetGenerator: UNetGenerator.self
    case .patchDiscriminator: PatchDiscriminator.self
    case .vgg16: VGG16.self
    case .vgg19: VGG19.self
    case .smallVGG19: SmallVGG19.self
    }
  }

  /// Finds out which network a file's tensors are of.
  ///
  /// - Returns: the class, which is a case's name, and its constructor's arguments: as the file itself says, where it is of
  ///   this library's; else as names and shapes tell.
  /// - Throws: `FileError.unsupported(path:reason:)` when it is none of these networks.
  public static func recognized(in file: StateDict) throws -> Blueprint {
    if let said = try blueprint(saidBy: file) { return said }
    for architecture in allCases {
      if let blueprint = architecture.type.recognized(in: file) { return blueprint }
    }
    let known = allCases.map(\.rawValue).joined(separator: ", ")
    throw FileError.unsupported(
      path: file.path,
      reason: "expected the weights of a known network (\(known)), got \(file.names.count) tensors of other names and "
        + "shapes" + (file.names.first.map { ", such as \(quoted($0))" } ?? ""))
  }

  /// Makes a network with the weights of a file, in evaluation mode.
  ///
  /// - Parameters:
  ///   - path: of a .safetensors file, or of one that `torch.save` wrote.
  ///   - architecture: of the network; nil to find out.
  /// - Throws: as ``recognized(in:)`` and ``SavedNetwork/init(contentsOf:)``.
  public static func load(contentsOf path: String, as architecture: Architecture? = nil) throws -> Network {
    let file = try StateDict(contentsOf: path)
    let blueprint = try architecture?.type.blueprint(for: file) ?? recognized(in: file)
    let network = try withoutInitialValues { try make(blueprint) }
    try network.take(file)
    return network
  }

  /// Makes the network that a blueprint is of.
  ///
  /// - Throws: `ModuleError.blueprint(reason:)` when it is of none of these.
  public static func make(_ blueprint: Blueprint) throws -> Network {
    guard let architecture = Architecture(rawValue: blueprint.classname) else {
      let known = allCases.map(\.rawValue).joined(separator: ", ")
      throw ModuleError.blueprint(reason: "unknown network '\(blueprint.classname)'; known are \(known)")
    }
    return try architecture.type.init(blueprint)
  }

  /// The blueprint that this library writes beside tensors; nil where there is none, or one of another module.
  static func blueprint(saidBy file: StateDict) throws -> Blueprint? {
    guard let json = file.metadata["blueprint"] else { return nil }
    let blueprint = try Blueprint(json: json)
    return Architecture(rawValue: blueprint.classname) == nil ? nil : blueprint
  }
}
