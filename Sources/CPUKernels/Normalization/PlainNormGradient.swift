import Calls
import Tensors

/// The gradient of ``PlainNorm``.
struct PlainNormGradient {
  let call: NormGradientCall

  init(_ call: NormGradientCall) {
    var call = call
    call.activation = call.activation.rounded(for: call.planes.dtype)
    self.call = call
  }

  /// As ``PlainNorm/scratch(width:size:)``: blocks of dy, x and the residual, and room to merge sums in.
  static func scratch(width: Int = bandWidth, size: Int) -> Int {
    width * (3 * blockPitch + reductionDepth(size) * MemoryLayout<GradientSums>.stride / 8)
  }

  /// The sums of the planes of a band and, if asked for, dx and dn, where planes share with no other.
  ///
  /// - Parameters:
  ///   - block: room for ``scratch(width:size:)`` values.
  ///   - target: where dx goes, if not to the call's own.
  ///   - residualTarget: where dn goes, likewise.
  func run(
    _ band: Band, block: UnsafeMutablePointer<Double>, into target: Run? = nil, residualInto residualTarget: Run? = nil
  ) {
    sums(of: band, block: block)
    gradient(of: band, block: block, into: target, residualInto: residualTarget) { call.ownMeans($0) }
  }

  /// Takes the sums of the planes of a band.
  func sums(of band: Band, block: UnsafeMutablePointer<Double>) {
    let planes = call.planes
    let blocks = GradientBlocks(call, band, block)
    let pieces = UnsafeMutableRawPointer(block + 3 * band.width * blockPitch).assumingMemoryBound(to: GradientSums.self)
    pieces.initialize(repeating: GradientSums(), count: reductionDepth(planes.size) * band.width)
    reduce(0, planes.size, width: band.width, into: pieces) { start, count, results in
      blocks.load(start, count)
      for run in 0..<band.width {
        blocks.scaleByElement(run, start, count)
        results[run] = GradientSums(gradient: blocks.dn(run), xhat: blocks.xhat(run), count)
      }
    }
    for run in 0..<band.width {
      call.sums[band.firstPlane + run] = pieces[run].gradient
      call.sums[planes.count + band.firstPlane + run] = pieces[run].product
    }
  }

  /// Writes dx and, if asked for, dn. Parameters as ``run(_:block:into:residualInto:)``.
  ///
  /// - Parameter means: those of a plane's set.
  func gradient(
    of band: Band, block: UnsafeMutablePointer<Double>, into target: Run? = nil,
    residualInto residualTarget: Run? = nil, means: (_ plane: Int) -> SetMeans
  ) {
    guard let inputGradient = call.inputGradient else { return }
    let planes = call.planes
    let blocks = GradientBlocks(call, band, block)
    let dx = target ?? Run(inputGradient, planes.dtype, band, stride: planes.stride)
    let dn = residualTarget ?? call.residualGradient.map { Run($0, planes.dtype, band, stride: planes.stride) }
    for start in stride(from: 0, to: planes.size, by: blockLength) {
      let count = min(blockLength, planes.size - start)
      blocks.load(start, count)
      dn?.store(start, count, from: blocks.dn(0))
      for run in 0..<band.width {
        let plane = band.firstPlane + run
        let scale = call.scale.value(plane, map: band.firstMap + run)
        let (invStd, means) = (call.invStd[plane], means(plane))
        blocks.scaleByElement(run, start, count)
        let (values, xhat) = (blocks.dn(run), blocks.xhat(run))
        for i in 0..<count {
          xhat[i] = invStd * (scale * values[i] - means.gradient - xhat[i] * means.product)
        }
      }
      dx.store(start, count, from: blocks.xhat(0))
    }
  }
}

/// Means over the planes of a set that share their moments, which the gradient takes off (scale dn).
struct SetMeans {
  /// Of (scale dn).
  var gradient = 0.0
  /// Of (scale dn) xhat.
  var product = 0.0
}

extension NormGradientCall {
  /// The means of a plane that shares with no other, from its sums.
  func ownMeans(_ plane: Int) -> SetMeans {
    let part = scale.value(plane, map: plane % planes.maps) / Double(planes.size)
    return SetMeans(gradient: sums[plane] * part, product: sums[planes.count + plane] * part)
  }
}

/// Blocks of a band as dn and xhat.
private struct GradientBlocks {
  private let call: NormGradientCall
  private let band: Band
  private let dyBlock: UnsafeMutablePointer<Double>
  private let xBlock: UnsafeMutablePointer<Double>
  private let residualBlock: UnsafeMutablePointer<Double>
  private let dy: Run
  private let x: Run
  private let residual: Run?

  init(_ call: NormGradientCall, _ band: Band, _ block: UnsafeMutablePointer<Double>) {
    self.call = call
    self.band = band
    let planes = call.planes
    dyBlock = block
    xBlock = dyBlock + band.width * blockPitch
    residualBlock = xBlock + band.width * blockPitch
    dy = Run(call.gradient, planes.dtype, band, stride: planes.stride)
    x = Run(call.input, planes.dtype, band, stride: planes.stride)
    residual = call.readsResidual ? call.residual.map { Run($0, planes.dtype, band, stride: planes.stride) } : nil
  }

  func dn(_ run: Int) -> UnsafeMutablePointer<Double> { dyBlock + run * blockPitch }
  func xhat(_ run: Int) -> UnsafeMutablePointer<Double> { xBlock + run * blockPitch }

  /// Reads a block of dy as dn, and of x as xhat.
  func load(_ start: Int, _ count: Int) {
    dy.load(start, count, into: dyBlock)
    x.load(start, count, into: xBlock)
    residual?.load(start, count, into: residualBlock)
    for run in 0..<band.width {
      let plane = band.firstPlane + run
      let xhat = xhat(run)
      standardize(xhat, count, Standardization(mean: call.mean[plane], invStd: call.invStd[plane]), scale: 1, bias: 0)
      if call.activation == .none { continue }
      let (dn, added) = (dn(run), residualBlock + run * blockPitch)
      let map = band.firstMap + run
      let (scale, bias) = (call.scale.value(plane, map: map), call.bias.value(plane, map: map))
      let element = call.scale.firstElement(plane, start, call.planes)
      for i in 0..<count {
        var n = xhat[i] * (call.scale.isByElement ? call.scale[element + i] : scale)
        n += call.bias.isByElement ? call.bias[element + i] : bias
        if residual != nil { n += added[i] }
        dn[i] = call.activation.gradient(dn[i], at: n)
      }
    }
  }

  /// Makes (scale dn) of dn where the scale differs within a plane.
  func scaleByElement(_ run: Int, _ start: Int, _ count: Int) {
    guard call.scale.isByElement else { return }
    let (values, element) = (dn(run), call.scale.firstElement(band.firstPlane + run, start, call.planes))
    for i in 0..<count { values[i] *= call.scale[element + i] }
  }
}

/// The two sums over a plane that its gradient needs.
private struct GradientSums: Mergeable {
  /// Of dn.
  var gradient = 0.0
  /// Of dn xhat.
  var product = 0.0

  init() {}

  init(gradient dn: UnsafePointer<Double>, xhat: UnsafePointer<Double>, _ count: Int) {
    var gradients = Lanes.zero
    var products = Lanes.zero
    forEachVectorPair(dn, xhat, count) { dn, xhat in
      gradients += dn
      products += dn * xhat
    }
    gradient = laneTotal(gradients)
    product = laneTotal(products)
  }

  mutating func merge(_ other: GradientSums) {
    gradient += other.gradient
    product += other.product
  }
}

// MARK: - Planes that share

extension PlainNormGradient: NormGradientPasses {
  /// Takes each plane's gradient by its own sums.
  func runAlone(threads: Int) throws(TensorError) {
    let scratch = Self.scratch(size: call.planes.size)
    try Part.all(of: call.planes).forEachBand(call.planes, scratch: scratch, threads: threads) {
      run($0, block: $1)
    }
  }

  func takeSums(of part: Part, largest: UnsafeMutablePointer<Float>, threads: Int) throws(TensorError) {
    try part.forEachBand(call.planes, scratch: Self.scratch(size: call.planes.size), threads: threads) {
      sums(of: $0, block: $1)
    }
  }

  func writeGradient(
    of part: Part, means: MeansByPlane, largest: UnsafePointer<Float>, threads: Int
  ) throws(TensorError) {
    try part.forEachBand(call.planes, scratch: Self.scratch(size: call.planes.size), threads: threads) {
      gradient(of: $0, block: $1) { means[$0] }
    }
  }
}

// MARK: - Parameters by element

extension PlainNormGradient {
  /// Adds dn xhat and dn of neighbouring values in memory, from one on, to what is there.
  ///
  /// - Parameter block: room for ``scratch(width:size:)`` values, of one plane.
  func addByElement(
    _ first: Int, _ count: Int, _ products: UnsafeMutablePointer<Double>, _ sums: UnsafeMutablePointer<Double>,
    block: UnsafeMutablePointer<Double>
  ) {
    let planes = call.planes
    for index in 0..<count {
      let (place, values) = (first + index, planes.maps * planes.size)
      let (plane, start) =
        planes.layout == .nchw
        ? (place / planes.size, place % planes.size)
        : (place / values * planes.maps + place % planes.maps, place % values / planes.maps)
      let blocks = GradientBlocks(call, planes.band(ofPlane: plane), block)
      blocks.load(start, 1)
      sums[index] += blocks.dn(0)[0]
      products[index] += blocks.dn(0)[0] * blocks.xhat(0)[0]
    }
  }

  /// The terms added over N: dn xhat for the scale, dn for the bias.
  ///
  /// - Parameters:
  ///   - scale: receives (C, H W), of the scale's dtype. Likewise `bias`.
  func sumByElement(scale: UnsafeMutableRawPointer, bias: UnsafeMutableRawPointer, threads: Int) throws(TensorError) {
    let dtype: DType = call.scale.isDouble ? .float64 : .float32
    let (scale, bias) = (Run(contiguous: scale, dtype), Run(contiguous: bias, dtype))
    let planes = call.planes
    let bands = Bands(planes)
    let room = bandWidth * blockPitch
    let values = planes.valueCount
    let shares = ThreadedWork.shareCount(items: bands.perImage, values: values, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: Self.scratch(size: planes.size) + 2 * room)
    let address = scratch.address
    ThreadedWork.run(items: bands.perImage, values: values, shares: shares) { share, items in
      let block = address.doubles(share: share)
      let products = block + Self.scratch(size: planes.size)
      let sums = products + room
      for index in items {
        for start in stride(from: 0, to: planes.size, by: blockLength) {
          let count = min(blockLength, planes.size - start)
          products.update(repeating: 0, count: 2 * room)
          for image in 0..<planes.images {
            let band = bands[image * bands.perImage + index]
            let blocks = GradientBlocks(call, band, block)
            blocks.load(start, count)
            for run in 0..<band.width {
              let (dn, xhat) = (blocks.dn(run), blocks.xhat(run))
              let (sum, product) = (sums + run * blockPitch, products + run * blockPitch)
              for i in 0..<count {
                sum[i] += dn[i]
                product[i] += dn[i] * xhat[i]
              }
            }
          }
          let first = bands[index]
          for run in 0..<first.width {
            let element = (first.firstMap + run) * planes.size + start
            scale.store(element, count, from: products + run * blockPitch)
            bias.store(element, count, from: sums + run * blockPitch)
          }
        }
      }
    }
  }
}
