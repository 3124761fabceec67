import Generators
import TestSupport
import Testing

/// A network of the golden file: its weights as a file of their own, and what PyTorch makes of some data.
struct GoldenNetwork {
  let name: String
  let folder = TemporaryFolder()
  private let file: SafetensorsFile

  init(_ name: String) throws {
    self.name = name
    file = try SafetensorsFile(contentsOf: golden("networks.safetensors"))
    try SafetensorsFile.write(weights(), to: path)
  }

  /// Of the file with the weights, half of their width.
  var path: String { folder.file("\(name).safetensors") }

  func weights() throws -> [String: Tensor] {
    let prefix = "\(name).weights."
    var weights: [String: Tensor] = [:]
    for key in file.names where key.hasPrefix(prefix) {
      weights[String(key.dropFirst(prefix.count))] = try file.tensor(named: key)
    }
    return weights
  }

  subscript(key: String) -> Tensor {
    get throws { try file.tensor(named: "\(name).\(key)") }
  }

  func has(_ key: String) -> Bool { file.entries["\(name).\(key)"] != nil }

  /// The network that the weights are recognised as.
  func load() throws -> Network {
    if name == "transformer_bilinear" {
      // Weights do not tell.
      let network = try TransformerNet(width: 2, blocks: 1, upsampling: .bilinear)
      try network.load(from: path)
      network.evalMode()
      return network
    }
    let network = try Architecture.load(contentsOf: path)
    if let adain = network as? AdaINNet { try adain.setStyle(self["style"].to(.float32)) }
    if let painter = network as? ConditionalTransformerNet {
      try painter.select(weights: Tensor([0.25, 0.75, 0], shape: [1, 3]))
    }
    return network
  }

  /// Holds a tensor to the file's: each value within `tolerance` of the largest, or of 0.1, since the
  /// gradient by a bias before a normalisation is what rounding leaves.
  func expect(
    _ got: Tensor?, is key: String, within tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let (got, wanted) = (try #require(got, sourceLocation: sourceLocation), try self[key])
    #expect(got.shape == wanted.shape, "\(name) \(key)", sourceLocation: sourceLocation)
    let (values, others) = (try got.to(.nchw).doubles, try wanted.doubles)
    let largest = others.map(abs).max() ?? 0
    let worst = worst(zip(values, others).map { abs($0 - $1) })
    #expect(worst <= tolerance * max(largest, 0.1), "\(name) \(key)", sourceLocation: sourceLocation)
  }
}
