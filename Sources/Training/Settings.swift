import Generators

// What a checkpoint has to have been made with, in words that people can compare, and where there are none as a number
// that differs where the bits do.

/// A number for some bytes: Fowler, Noll and Vo's FNV-1a of 64 bits.
struct Fingerprint {
  private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }

  mutating func add(_ tensor: Tensor) throws {
    add("\(tensor.shape)".utf8)
    try tensor.to(.nchw).to(.float32).withUnsafeBuffer(of: Float.self) { add(UnsafeRawBufferPointer($0)) }
  }

  var text: String { String(hash, radix: 16) }
}

extension ExampleLoader {
  /// Files, order and crops.
  var fingerprint: String {
    var names = Fingerprint()
    for file in files { names.add((file.split(separator: "/").last.map(String.init) ?? file).utf8) }
    let scale = augmentation.scale
    return "\(count) (\(names.text)) in batches of \(batchSize), \(augmentation.height) x \(augmentation.width), "
      + "scale \(scale.lowerBound) to \(scale.upperBound)" + (augmentation.mirrors ? ", mirrored" : "")
      + (augmentation.cropsAnywhere ? "" : ", the middle") + ", seed \(seed)"
  }
}

extension StyleLoss {
  /// The styles, and what they are seen with.
  func fingerprint() throws -> String {
    var numbers = Fingerprint()
    for tensor in statistics { try numbers.add(tensor) }
    return "\(numOfStyles) (\(numbers.text)) by \(network.described) at \(styleLayers.joined(separator: ", ")), "
      + "contents at \(contentLayers.joined(separator: ", "))"
  }
}
