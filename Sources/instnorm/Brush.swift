import ArgumentParser
import ArrayFiles
import Generators
import ImageFiles

/// How a network's painting of a picture becomes a file.
struct Brush {
  /// The longer side that pictures are brought to before; nil for their own.
  let size: Int?
  /// Whether brightness alone is taken from the painting.
  var keepColors = false
  /// How much of the painting is taken.
  var strength = 1.0
  let reading: Reading

  /// Paints a file.
  func paint(_ input: String, to output: String, with painter: Painter) throws {
    var source = try Source(input, reading: reading)
    try source.expandGrey(to: painter.inMaps)
    guard source.tensor.shape.rank == 4, source.maps == painter.inMaps else {
      throw FileError.unsupported(
        path: input, reason: "the network takes (N, \(painter.inMaps), H, W), got shape \(source.tensor.shape)")
    }
    guard source.tensor.count > 0 else { throw FileError.unsupported(path: input, reason: "it holds no values") }
    let range = painter.valueRange
    var content = try resized(source.tensor.to(.float32))
    if source.picture != nil { content = try range.values(of: content) }
    // One at a time: the pages of a file can be many, and memory is for one.
    let painted = try Tensor.concatenated(
      (0..<content.shape[0]).map { try painter.paint(content.sliced(along: 0, $0..<$0 + 1)) }, along: 0)
    let result = try mixed(content, painted, by: painter)
    if output != PictureJobs.stream, isArrayFile(output) { return try NPY.write(result, to: output) }

    let picture = source.picture
    let shown = try Picture(
      colors: range.picture(of: result), alpha: picture?.alpha.map(resized), is16Bit: picture?.is16Bit ?? false,
      timing: picture?.timing)
    if output == PictureJobs.stream {
      try shown.write(to: "/dev/stdout", as: "png")
    } else {
      try shown.write(to: output)
    }
  }

  private func resized(_ pictures: Tensor) throws -> Tensor {
    guard let size else { return pictures }
    let (height, width) = (pictures.shape[2], pictures.shape[3])
    let longer = max(height, width)
    func side(_ side: Int) -> Int { max(Int((Double(side) * Double(size) / Double(longer)).rounded()), 1) }
    return try pictures.resized(to: [side(height), side(width)], mode: .smooth)
  }

  /// What is shown of a picture and its painting.
  private func mixed(_ content: Tensor, _ painted: Tensor, by painter: Painter) throws -> Tensor {
    let strength = painter.mixesByItself ? 1 : strength
    guard keepColors || strength < 1 else { return painted }
    guard content.shape == painted.shape else {
      throw ValidationError("--strength and --keep-colors: the network gives \(painted.shape) for \(content.shape)")
    }
    // What is brighter than white is shown as white.
    let range = painter.valueRange
    let painted = keepColors ? try painted.clamped(to: range.black...range.white) : painted
    var change = try painted - content
    if keepColors {
      // The luma of BT.601: colours differ in the other two coordinates (Gatys, Bethge, Hertzmann and Shechtman,
      // "Preserving color in neural artistic style transfer", 2016).
      let weights = try Tensor([0.299, 0.587, 0.114] as [Float], shape: [1, 3, 1, 1])
      change = try (change * weights).sum(over: [1], keepingAxes: true)
    }
    return try content + strength * change
  }
}
