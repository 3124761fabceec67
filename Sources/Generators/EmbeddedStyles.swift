import ArrayFiles
import CEmbeddedStyles
import InstanceNorm

/// The styles that come with this library.
///
///     let painter = try EmbeddedStyles.network()
///     try painter.select(["swirls": 0.7, "glass": 0.3])
///     let painted = try painter(painter.valueRange.values(of: picture))
///
/// One ``ConditionalTransformerNet`` has them all. This project rendered the pictures that it learnt them from, and
/// trained it with a ``SmallVGG19`` as its loss network: `script/train-styles` does both again.
public enum EmbeddedStyles {
  /// What the styles are called; the first is the one that a new network paints in.
  public static let names = thumbnails.map(\.name)

  /// The network, in evaluation mode.
  ///
  /// - Throws: `ModuleError` or `FileError` where there is no memory for it.
  public static func network() throws -> ConditionalTransformerNet {
    let bytes = UnsafeRawBufferPointer(start: embedded_styles.bytes, count: embedded_styles.count)
    let file = StateDict(try SafetensorsFile(bytes, name: String(cString: embedded_styles.name)))
    let blueprint = try Architecture.recognized(in: file)
    let network = try withoutInitialValues { try ConditionalTransformerNet(blueprint) }
    try network.take(file)
    return network
  }

  /// A picture painted in each style, as a JPEG file, in the order of the styles.
  public static let thumbnails: [(name: String, jpeg: [UInt8])] = {
    var found: [(name: String, jpeg: [UInt8])] = []
    while let file = embedded_thumbnail(found.count)?.pointee {
      found.append((String(cString: file.name), Array(UnsafeBufferPointer(start: file.bytes, count: file.count))))
    }
    return found
  }()
}
