import Foundation
import InstanceNorm

/// A loss network without weights to learn or to load: the edges, lines and colours of a picture at five sizes.
///
///     let network = try WaveletNetwork()
///     let features = try network.features(of: picture, at: network.styleLayers)       // picture: (N, 3, H, W), 0 to 1
///
/// A picture x is halved four times, and each of the pictures x_j is convolved with the same filters w:
///
///     x_0 = x - 0.5
///     x_j+1 = x_j convolved with b b^T, every second value;  b = (1, 3, 3, 1) / 8
///     f_j = (max(w * x_j, 0), max(-w * x_j, 0))               lines1, lines2, ... lines16: of the lines of brightness
///     F_j = (f_j, mean of 2x2 of f_j-1)                       scale1, scale2, ... scale16: of all filters
///
/// so that covariances of F_j have also seen how a scale goes with the next: an edge with the strokes on it. Styles are
/// compared in F_1 to F_4, the first of which has seen f_0. What is in a picture is compared in lines of brightness alone,
/// which leaves the colours to the style. The picture is continued by its edge; heights and widths of 16 pixels or more
/// are taken.
///
/// The filters are 5x5, of brightness (red, green and blue alike), of red against blue, and of green against both:
///
/// | filters | brightness | each of the colours |
/// | --- | --- | --- |
/// | lines and edges: cosine and sine of 1.8 u under a Gaussian | 6 directions | 4 directions |
/// | the finest chequers: c c^T, c = (0, 1, -2, 1, 0) | 1 | 1 |
/// | the colour itself: a Gaussian | 1 | 1 |
///
/// where u is a pixel's place along one of the directions. These are 34 filters, 68 maps with both signs, and 136 with
/// those of the scale before; 12 filters and 24 maps are of the lines of brightness.
///
/// Sources: Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
/// coefficients", 2000; Brochard, Zhang and Mallat, "Generalized rectifier wavelet covariance models for texture
/// synthesis", 2022, of rectified wavelets; Ustyuzhaninov, Brendel, Gatys and Bethge, "What does it take to generate
/// natural textures?", 2017, that a layer at several scales is enough.
public final class WaveletNetwork: LossNetwork {
  private static let scales = 5

  /// Those of the lines of brightness, and the others.
  let lines, others: Conv2D
  let halving: Conv2D

  /// - Parameter name: what the network is called in a model.
  public init(name: String? = nil) throws {
    (lines, others) = (try Self.filter(by: WaveletFilters.lines), try Self.filter(by: WaveletFilters.others))
    halving = try Self.filter(by: WaveletFilters.halving, size: 4, stride: 2)
    let names = ["lines", "scale"].flatMap { kind in (0..<Self.scales).map { "\(kind)\(1 << $0)" } }
    super.init(names: names, inMaps: 3, name: name, [:])
    evalMode()
  }

  private static func filter(by filters: [[Double]], size: RowsAndColumns = 5, stride: RowsAndColumns = 1) throws
    -> Conv2D
  {
    let pad = Margins((size.rows - 1) / 2)
    let conv = try withoutInitialValues {
      try Conv2D(
        inMaps: 3, outMaps: filters.count, size: size, stride: stride, pad: pad, useBias: false, paddingMode: .replicate
      )
    }
    conv.weight.data = try Tensor(filters.flatMap { $0.map(Float.init) }, shape: conv.weight.data.shape)
    conv.weight.isTrained = false
    return conv
  }

  public override var styleLayers: [String] { ["scale2", "scale4", "scale8", "scale16"] }

  public override var contentLayers: [String] { ["lines2", "lines4", "lines8"] }

  public override var styleWeight: Double { 4 }

  public override func checkDataShape(_ shape: Shape) throws {
    try super.checkDataShape(shape)
    let least = 1 << (Self.scales - 1)
    guard shape[2] >= least, shape[3] >= least else {
      throw ModuleError.dataShape(module: label, expected: "(N, 3, H, W), \(least) pixels or more each way", got: shape)
    }
  }

  override func features(of x: Tensor, through deepest: Int) throws -> [Tensor] {
    /// The maps of both signs.
    func rectified(_ y: Tensor) throws -> Tensor {
      try .concatenated([y.relu(), (-y).relu()], along: 1)
    }
    var pictures = [try x - 0.5]
    for scale in 0..<min(deepest, Self.scales - 1) { pictures.append(try halving(pictures[scale])) }
    var found = try pictures.map { try rectified(lines($0)) }
    var finer: [Tensor] = []
    for scale in 0..<max(deepest + 1 - Self.scales, 0) {
      let maps = [found[scale], try rectified(others(pictures[scale]))]
      found.append(try .concatenated(maps + finer.map { try $0.averagePooled(2) }, along: 1))
      finer = maps
    }
    return found
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    let halvings = Self.scales - 1
    return [
      shape[0], 4 * (WaveletFilters.lines.count + WaveletFilters.others.count), shape[2] >> halvings,
      shape[3] >> halvings,
    ]
  }

  /// The features of the smallest picture.
  override func layers(_ x: Tensor) throws -> Tensor { try features(of: x, through: names.count - 1)[names.count - 1] }
}

extension LossNetwork {
  /// The network that comes with this library, in evaluation mode.
  public static func embedded() throws -> LossNetwork { try WaveletNetwork() }
}

/// The filters of a ``WaveletNetwork``, in float64 whatever the network computes in.
private enum WaveletFilters {
  // Each is a kernel (3, height, width).
  static let lines = waves(directions: 6).map { brightness.times($0) }

  static let others =
    [fine, colour].map { brightness.times($0) }
    + [redAgainstBlue, greenAgainstBoth].flatMap { hue in
      (waves(directions: 4) + [fine, colour]).map { hue.times($0) }
    }

  /// Of each colour by itself, 4x4.
  static let halving = (0..<3).map { map in
    let row = [0.125, 0.375, 0.375, 0.125]
    return Weights((0..<3).map { $0 == map ? 1 : 0 }).times(row.flatMap { a in row.map { a * $0 } })
  }

  /// What red, green and blue count for in a filter.
  private struct Weights {
    let values: [Double]

    init(_ values: [Double]) { self.values = values }

    init(_ direction: [Double], length: Double) {
      let norm = direction.map { $0 * $0 }.reduce(0, +).squareRoot()
      values = direction.map { $0 * length / norm }
    }

    func times(_ plane: [Double]) -> [Double] { values.flatMap { value in plane.map { value * $0 } } }
  }

  // They are orthogonal. Hues vary less than brightness, and weigh more for it.
  private static let brightness = Weights([1, 1, 1], length: 1)
  private static let redAgainstBlue = Weights([1, 0, -1], length: 2.5)
  private static let greenAgainstBoth = Weights([-0.5, 1, -0.5], length: 3)

  // Planes of 5x5. Those whose sum is 0 are weighed so that in photographs they give about as much as the colour itself.

  private static func waves(directions: Int) -> [[Double]] {
    let window = gaussian(deviation: 1.2)
    return (0..<directions).flatMap { number -> [[Double]] in
      let angle = Double.pi * Double(number) / Double(directions)
      let phases = places.map { row, column in 1.8 * (column * cos(angle) + row * sin(angle)) }
      let cosines = zip(window, phases).map { $0 * cos($1) }
      let mean = cosines.reduce(0, +) / window.reduce(0, +)
      return [
        sized(zip(cosines, window).map { $0 - mean * $1 }, to: 15),
        sized(zip(window, phases).map { $0 * sin($1) }, to: 15),
      ]
    }
  }

  private static let fine = {
    let row = [0.0, 1, -2, 1, 0]
    return sized(row.flatMap { a in row.map { a * $0 } }, to: 24)
  }()

  private static let colour = sized(gaussian(deviation: 1), to: 2)

  /// Rows and columns, from the middle.
  private static let places = (-2...2).flatMap { row in (-2...2).map { (Double(row), Double($0)) } }

  private static func gaussian(deviation: Double) -> [Double] {
    places.map { row, column in exp(-(row * row + column * column) / (2 * deviation * deviation)) }
  }

  /// The filter whose absolute values add up to a number.
  private static func sized(_ filter: [Double], to sum: Double) -> [Double] {
    let factor = sum / filter.map(abs).reduce(0, +)
    return filter.map { $0 * factor }
  }
}
