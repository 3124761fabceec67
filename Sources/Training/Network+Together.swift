import Generators

extension Network {
  /// What it makes of several batches: in one call, which goes through the weights once, where what is beside a picture
  /// makes no difference to it.
  package func together(_ batches: [Tensor]) throws -> [Tensor] {
    guard let shape = batches.first?.shape, batches.allSatisfy({ $0.shape == shape }), !Self.mixesPictures(self) else {
      return try batches.map { try self($0) }
    }
    let made = try self(.concatenated(batches, along: 0))
    return try batches.indices.map { try made.sliced(along: 0, $0 * shape[0]..<($0 + 1) * shape[0]) }
  }

  /// Whether a module has statistics of whole batches.
  private static func mixesPictures(_ module: Module) -> Bool {
    module is BatchNorm2D || module.children.contains(where: mixesPictures)
  }
}
