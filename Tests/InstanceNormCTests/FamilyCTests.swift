import CInstanceNorm
import InstanceNorm
import InstanceNormC
import TestSupport
import Testing

/// Every type of normalisation, called as C calls it, has the bits of the layer's.
@Suite struct FamilyCTests {
  @Test func `layer, group and batch normalisation`() throws {
    try check(LayerNorm2D(numOfMaps: 4)) { $0.sharing = INSTNORM_LAYER }
    try check(GroupNorm2D(groups: 2, numOfMaps: 4)) {
      $0.sharing = INSTNORM_GROUP
      $0.groups = 2
    }
    try check(BatchNorm2D(numOfMaps: 4, trackRunningStats: false)) { $0.sharing = INSTNORM_BATCH }
  }

  @Test func `parameters by element, and by picture`() throws {
    try check(LayerNorm2D(numOfMaps: 4, perElement: (5, 6))) {
      $0.sharing = INSTNORM_LAYER
      $0.grain = INSTNORM_BY_ELEMENT
    }
    // Picture t has style t.
    let styles = try ConditionalInstanceNorm2D(numOfMaps: 4, numOfStyles: 3)
    try styles.select(weights: Tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 1], shape: [3, 3]))
    try check(styles) { $0.grain = INSTNORM_BY_PLANE }
  }

  @Test func `batch normalisation in evaluation`() throws {
    let norm = try BatchNorm2D(numOfMaps: 4)
    try norm(Tensor.randomNormal([3, 4, 5, 6], mean: 2, seed: 7))
    norm.evalMode()
    let x = try Tensor.randomNormal([3, 4, 5, 6], seed: 1)
    let (means, variances) = (try #require(norm.runningMean), try #require(norm.runningVar))
    let (mean, invStd) = (try Tensor.zeros([3, 4], dtype: .float64), try Tensor.zeros([3, 4], dtype: .float64))
    for plane in 0..<12 {
      mean.doublesAddress[plane] = try means[plane % 4]
      invStd.doublesAddress[plane] = 1 / (try variances[plane % 4] + norm.epsilon).squareRoot()
    }
    let y = try Tensor(uninitializedLike: x)
    var (planes, options) = (threePictures(.nchw), instnorm_default_options())
    options.sharing = INSTNORM_GIVEN
    #expect(
      instnorm_forward(
        &planes, &options, x.address, norm.scale?.data.address, norm.bias?.data.address, nil, y.address,
        mean.doublesAddress, invStd.doublesAddress) == INSTNORM_OK)
    #expect(try bits(y) == bits(norm(x)))
  }

  @Test func `float64 sets of values whose squares are beyond float64`() {
    for magnitude in [1e300, 1e-300] {
      let x = (0..<8).map { $0 % 2 == 0 ? magnitude : -magnitude }
      var y = Array(repeating: 0.0, count: 8)
      var invStd = Array(repeating: 0.0, count: 2)
      var planes = instnorm_planes(
        images: 2, maps: 1, plane_size: 4, dtype: INSTNORM_FLOAT64, layout: INSTNORM_NCHW)
      var options = instnorm_default_options()
      options.sharing = INSTNORM_BATCH
      options.epsilon = 0
      #expect(instnorm_forward(&planes, &options, x, nil, nil, nil, &y, nil, &invStd) == INSTNORM_OK)
      #expect(zip(y, x).allSatisfy { abs($0 - ($1 > 0 ? 1 : -1)) < 1e-12 })
      #expect(invStd.allSatisfy { abs($0 * magnitude - 1) < 1e-12 })
    }
  }

  @Test func `the residual's gradient of planes that float32 arithmetic is not for is that of either layout`() {
    var found: [[Float]] = []
    for layout in [INSTNORM_NCHW, INSTNORM_NHWC] {
      func at(_ map: Int, _ pixel: Int) -> Int { layout == INSTNORM_NCHW ? map * 8 + pixel : pixel * 3 + map }
      var (x, residual) = (Array(repeating: Float(0), count: 24), Array(repeating: Float(0), count: 24))
      for map in 0..<3 {
        for pixel in 0..<8 {
          x[at(map, pixel)] = (pixel % 2 == 0 ? 1 : -1) * (map == 1 ? 1e30 : 1)
          residual[at(map, pixel)] = pixel < 4 ? 0.5 : -0.5
        }
      }
      let dy = Array(repeating: Float(1), count: 24)
      var (y, dx, dresidual) = (dy, dy, Array(repeating: Float(7), count: 24))
      var (mean, invStd) = (Array(repeating: 0.0, count: 3), Array(repeating: 0.0, count: 3))
      var planes = instnorm_planes(images: 1, maps: 3, plane_size: 8, dtype: INSTNORM_FLOAT32, layout: layout)
      var options = someOptions(.relu, .beforeActivation)
      #expect(instnorm_forward(&planes, &options, x, nil, nil, residual, &y, &mean, &invStd) == INSTNORM_OK)
      #expect(
        instnorm_backward(
          &planes, &options, dy, x, nil, nil, residual, mean, invStd, &dx, nil, nil, &dresidual) == INSTNORM_OK)
      found.append((0..<24).map { dresidual[at($0 / 8, $0 % 8)] })
    }
    // 1 + 0.5 and 1 - 0.5 are above 0, -1 + 0.5 and -1 - 0.5 below.
    let expected = (0..<24).map { $0 % 2 == 0 ? Float(1) : 0 }
    #expect(found == [expected, expected])
  }

  @Test func `by element both gradients of parameters are asked for, or neither`() throws {
    let x = try Tensor.randomNormal([3, 4, 5, 6], seed: 1)
    let (statistics, gradient) = (try Tensor.zeros([3, 4], dtype: .float64), try Tensor.zeros([4, 5, 6]))
    var (planes, options) = (threePictures(.nchw), instnorm_default_options())
    options.grain = INSTNORM_BY_ELEMENT
    #expect(
      instnorm_backward(
        &planes, &options, x.address, x.address, nil, nil, nil, statistics.doublesAddress, statistics.doublesAddress,
        nil, gradient.address, nil, nil) == INSTNORM_INVALID_ARGUMENT)
    #expect(String(cString: instnorm_last_error()).contains("dbias: expected a pointer"))
  }

  private func threePictures(_ layout: Layout) -> instnorm_planes {
    instnorm_planes(
      images: 3, maps: 4, plane_size: 30, dtype: INSTNORM_FLOAT32,
      layout: layout == .nchw ? INSTNORM_NCHW : INSTNORM_NHWC)
  }

  private func check(_ norm: Normalization, _ change: (inout instnorm_options) -> Void) throws {
    let (scale, bias) = (try #require(norm.scale), try #require(norm.bias))
    scale.data = try Tensor.randomNormal(scale.data.shape, seed: 3)
    bias.data = try Tensor.randomNormal(bias.data.shape, seed: 4)
    for layout in Layout.allCases {
      let x = try Tensor.randomNormal([3, 4, 5, 6], mean: 1, seed: 1).to(layout)
      let dy = try Tensor.randomNormal([3, 4, 5, 6], seed: 2).to(layout)
      let y = try norm(x)
      let dx = try norm.backward(dy)
      var (planes, options) = (threePictures(layout), instnorm_default_options())
      change(&options)
      let out = try Tensor(uninitializedLike: x)
      let (mean, invStd) = (try Tensor.zeros([3, 4], dtype: .float64), try Tensor.zeros([3, 4], dtype: .float64))
      // Where nobody wants the statistics, too.
      for (mean, invStd) in [(nil, nil), (mean.doublesAddress, invStd.doublesAddress)] {
        #expect(
          instnorm_forward(
            &planes, &options, x.address, scale.data.address, bias.data.address, nil, out.address, mean, invStd)
            == INSTNORM_OK)
        #expect(try bits(out) == bits(y))
      }
      #expect(try bits(mean) == bits(#require(norm.saveMean)) && bits(invStd) == bits(#require(norm.saveInvVar)))
      let (dscale, dbias) = (try 0 * scale.data, try 0 * bias.data)
      #expect(
        instnorm_backward(
          &planes, &options, dy.address, x.address, scale.data.address, bias.data.address, nil, mean.doublesAddress,
          invStd.doublesAddress, out.address, dscale.address, dbias.address, nil) == INSTNORM_OK)
      #expect(
        try bits(out) == bits(dx) && bits(dscale) == bits(#require(scale.grad))
          && bits(dbias) == bits(#require(bias.grad)))
    }
  }
}
