import CInstanceNorm
import InstanceNorm
import InstanceNormC
import TestSupport
import Testing

/// What callers from C can get wrong.
@Suite struct RefusedCallTests {
  @Test func `every wrong argument is refused by name, and nothing is written`() throws {
    let x = try Tensor.randomNormal(shape, seed: 1)
    let y = try Tensor.zeros(shape)
    let statistics = try Tensor.zeros([2, 5], dtype: .float64)
    func expectRefusal(
      _ words: String..., planes change: (inout instnorm_planes) -> Void = { _ in },
      options changeOptions: (inout instnorm_options) -> Void = { _ in },
      x: UnsafeRawPointer? = UnsafeRawPointer(x.address),
      scale: UnsafeRawPointer? = nil, residual: UnsafeRawPointer? = nil, y: UnsafeMutableRawPointer? = y.address,
      mean: UnsafeMutablePointer<Double>? = nil
    ) {
      var (planes, options) = (somePlanes(), instnorm_default_options())
      change(&planes)
      changeOptions(&options)
      #expect(
        instnorm_forward(&planes, &options, x, scale, nil, residual, y, mean, nil) == INSTNORM_INVALID_ARGUMENT,
        "\(words)")
      let message = String(cString: instnorm_last_error())
      for word in ["instnorm_forward: "] + words { #expect(message.contains(word), "\(message)") }
      #expect(!message.contains("\n"))
    }
    expectRefusal("planes->images", "0 or more", "-1", planes: { $0.images = -1 })
    expectRefusal("planes->maps", "1 or more", "0", planes: { $0.maps = 0 })
    expectRefusal("planes->plane_size", "-9", planes: { $0.plane_size = -9 })
    expectRefusal("planes->dtype", "4", planes: { $0.dtype = instnorm_dtype(4) })
    expectRefusal("planes->layout", "7", planes: { $0.layout = instnorm_layout(7) })
    expectRefusal("planes->layout", "got -1", planes: { $0.layout = instnorm_layout(.max) })
    expectRefusal("planes", "9223372036854775807", planes: { $0.images = .max })
    expectRefusal("planes", "4611686018427387904", planes: { $0.plane_size = 1 << 62 })
    expectRefusal(
      "planes", "(0, 9223372036854775807, 63)",
      planes: {
        $0.images = 0
        $0.maps = .max
      })
    expectRefusal("options->epsilon", "-1e-05", options: { $0.epsilon = -1e-5 })
    expectRefusal("options->epsilon", "nan", options: { $0.epsilon = .nan })
    expectRefusal("options->epsilon", "inf", options: { $0.epsilon = .infinity })
    expectRefusal("options->activation", "3", options: { $0.activation = instnorm_activation(3) })
    expectRefusal(
      "options->negative_slope", "inf",
      options: {
        $0.activation = INSTNORM_LEAKY_RELU
        $0.negative_slope = .infinity
      })
    expectRefusal("options->residual_place", "2", options: { $0.residual_place = instnorm_residual_place(2) })
    expectRefusal("options->threads", "-2", options: { $0.threads = -2 })
    expectRefusal("options->threads", "0 to 256", "100000", options: { $0.threads = 100_000 })
    expectRefusal("options->sharing", "5", options: { $0.sharing = instnorm_sharing(5) })
    expectRefusal("options->grain", "3", options: { $0.grain = instnorm_grain(3) })
    expectRefusal(
      "options->groups", "a divisor of 5 maps", "got 2",
      options: {
        $0.sharing = INSTNORM_GROUP
        $0.groups = 2
      })
    for groups in [0, -1, Int64.max] {
      expectRefusal(
        "options->groups", "got \(groups)",
        options: {
          $0.sharing = INSTNORM_GROUP
          $0.groups = groups
        })
    }
    expectRefusal("mean", "a pointer", "NULL", options: { $0.sharing = INSTNORM_GIVEN })
    expectRefusal("x", "NULL", x: nil)
    expectRefusal("y", "NULL", y: nil)
    expectRefusal("x", "multiple of 4", x: x.address + 2)
    expectRefusal("x", "2520 bytes", "0xfffffffffffff800", x: UnsafeRawPointer(bitPattern: -2048))
    expectRefusal("scale", "multiple of 4", scale: x.address + 1)
    expectRefusal("mean", "multiple of 8", mean: UnsafeMutablePointer(bitPattern: 12))
    expectRefusal("y", "apart from x's", y: x.address + 4)
    expectRefusal("y", "apart from residual's", residual: y.address + 4)
    expectRefusal("y", "apart from scale's", scale: y.address + 4)
    expectRefusal("mean", "apart from y's", mean: y.doublesAddress)
    #expect(instnorm_forward(nil, nil, nil, nil, nil, nil, nil, nil, nil) == INSTNORM_INVALID_ARGUMENT)
    #expect(String(cString: instnorm_last_error()) == "instnorm_forward: planes: expected a pointer, got NULL")
    let odd = x.address + 1
    #expect(
      instnorm_forward(odd.assumingMemoryBound(to: instnorm_planes.self), nil, nil, nil, nil, nil, nil, nil, nil)
        == INSTNORM_INVALID_ARGUMENT)
    #expect(String(cString: instnorm_last_error()).contains("planes: expected an address that is a multiple of 8"))
    var unread = somePlanes()
    #expect(
      instnorm_forward(
        &unread, odd.assumingMemoryBound(to: instnorm_options.self), x.address, nil, nil, nil, y.address, nil, nil)
        == INSTNORM_INVALID_ARGUMENT)
    #expect(String(cString: instnorm_last_error()).contains("options: expected an address that is a multiple of 8"))
    #expect(try y.doubles.allSatisfy { $0 == 0 })

    var planes = somePlanes()
    func backwardRefusal(
      dy: UnsafeRawPointer? = UnsafeRawPointer(x.address), x: UnsafeRawPointer? = UnsafeRawPointer(x.address),
      mean: UnsafePointer<Double>? = UnsafePointer(statistics.doublesAddress),
      dx: UnsafeMutableRawPointer? = nil, dscale: UnsafeMutableRawPointer? = nil,
      dresidual: UnsafeMutableRawPointer? = nil, activation: Activation = .none
    ) -> String {
      var options = someOptions(activation, .beforeActivation)
      let status = instnorm_backward(
        &planes, &options, dy, x, nil, nil, nil, mean, statistics.doublesAddress, dx, dscale, nil, dresidual)
      #expect(status == INSTNORM_INVALID_ARGUMENT)
      return String(cString: instnorm_last_error())
    }
    #expect(backwardRefusal(dy: nil) == "instnorm_backward: dy: expected a pointer, got NULL")
    #expect(backwardRefusal(x: nil) == "instnorm_backward: x: expected a pointer, got NULL")
    #expect(backwardRefusal(mean: nil) == "instnorm_backward: mean: expected a pointer, got NULL")
    #expect(backwardRefusal(dx: y.address, dscale: y.address).contains("dscale: expected memory apart from dx's"))
    #expect(backwardRefusal(dx: y.address, dresidual: y.address).contains("dresidual"))
    #expect(backwardRefusal(dx: x.address + 4).contains("dx: expected memory apart from dy's"))
    #expect(backwardRefusal(dscale: x.address).contains("dscale: expected memory apart from dy's"))
    #expect(
      backwardRefusal(dresidual: y.address, activation: .relu)
        == "instnorm_backward: residual: expected a pointer, as it decides dresidual, got NULL")
    let other = try Tensor.zeros(shape)
    #expect(
      backwardRefusal(dy: other.address, dresidual: x.address).contains("dresidual: expected memory apart from x"))
  }

  @Test func `an output that overlaps anything by one value is refused`() throws {
    // Each array in 1 KiB of its own.
    let place = UnsafeMutableRawPointer.allocate(byteCount: 16 << 10, alignment: 64)
    defer { place.deallocate() }
    place.initializeMemory(as: UInt8.self, repeating: 0, count: 16 << 10)
    var planes = instnorm_planes(images: 2, maps: 2, plane_size: 4, dtype: INSTNORM_FLOAT32, layout: INSTNORM_NCHW)
    var options = someOptions(.relu, .beforeActivation)
    let sizes = [
      "x": 64, "dy": 64, "residual": 64, "y": 64, "dx": 64, "dresidual": 64, "scale": 8, "bias": 8, "dscale": 8,
      "dbias": 8, "mean": 32, "inv_std": 32,
    ]
    let names = sizes.keys.sorted()
    /// The status of a call with one array moved onto the last 8 bytes of another.
    func status(_ moved: String, onto other: String, isForward: Bool) -> instnorm_status {
      func at(_ name: String) -> UnsafeMutableRawPointer {
        let home = place + (names.firstIndex(of: name) ?? 0) << 10
        return name != moved ? home : place + (names.firstIndex(of: other) ?? 0) << 10 + (sizes[other] ?? 0) - 8
      }
      func doubles(_ name: String) -> UnsafeMutablePointer<Double> { at(name).assumingMemoryBound(to: Double.self) }
      return isForward
        ? instnorm_forward(
          &planes, &options, at("x"), at("scale"), at("bias"), at("residual"), at("y"), doubles("mean"),
          doubles("inv_std"))
        : instnorm_backward(
          &planes, &options, at("dy"), at("x"), at("scale"), at("bias"), at("residual"), doubles("mean"),
          doubles("inv_std"), at("dx"), at("dscale"), at("dbias"), at("dresidual"))
    }
    let forward = (inputs: ["x", "scale", "bias", "residual"], outputs: ["y", "mean", "inv_std"])
    let backward = (
      inputs: ["dy", "x", "scale", "bias", "residual", "mean", "inv_std"],
      outputs: ["dx", "dscale", "dbias", "dresidual"]
    )
    for (isForward, call) in [(true, forward), (false, backward)] {
      for output in call.outputs {
        for other in call.inputs + call.outputs where other != output {
          // At the very place of an array as large, which some may take.
          if (sizes[other] ?? 0) == 8, (sizes[output] ?? 0) == 8 { continue }
          #expect(status(output, onto: other, isForward: isForward) == INSTNORM_INVALID_ARGUMENT, "\(output), \(other)")
        }
      }
    }
    for (output, other) in [("dscale", "bias"), ("dscale", "dbias"), ("dbias", "scale"), ("dbias", "dscale")] {
      #expect(status(output, onto: other, isForward: false) == INSTNORM_INVALID_ARGUMENT, "\(output), \(other)")
    }
  }

  @Test func `no memory is a status of its own`() {
    // Sums of so many planes of nothing.
    var planes = somePlanes()
    planes.images = 1 << 48
    planes.plane_size = 0
    let one = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    defer { one.deallocate() }
    let double = (one + 32).assumingMemoryBound(to: Double.self)
    let status = instnorm_backward(&planes, nil, nil, nil, nil, nil, nil, double, double, nil, one, nil, nil)
    #expect(status == INSTNORM_OUT_OF_MEMORY)
    #expect(String(cString: instnorm_last_error()).hasPrefix("instnorm_backward: "))
  }
}
