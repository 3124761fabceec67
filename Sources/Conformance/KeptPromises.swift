import Foundation
import InstanceNorm

extension Promise {
  /// Promises that are kept or broken, with nothing in between.
  static let kept = [
    Promise("the same bits from run to run, and in place") { device, tally in
      for shape in [[2, 3, 21, 19], [1, 2, 400, 400], [40, 30, 5, 5]] as [Shape] {
        let trial = Trial(name: "\(shape)", x: try normal(shape, mean: 2))
        for (dtype, layout) in device.typesAndLayouts {
          tally.require("\(shape), \(dtype), \(layout)") {
            let first = try trial.outcome(dtype, computingIn: dtype, layout, on: device)
            let again = try trial.outcome(dtype, computingIn: dtype, layout, on: device)
            var x = try trial.x.placed(dtype, layout, device)
            let norm = try device.instanceNorm(maps: shape[1], dtype)
            let y = try norm(x).toHost()
            norm.reset()
            try norm.normalize(inPlace: &x)
            return try first == again && sameBits(x, y)
          }
        }
      }
    },
    Promise("a plane has the same bits in any batch") { device, tally in
      for (height, width) in [(5, 3), (40, 30), (300, 280)] {
        let x = try normal([6, 4, height, width], mean: 2)
        let one = try Tensor(Array(x.array(of: Double.self)[..<(4 * height * width)]), shape: [1, 4, height, width])
        for (dtype, layout) in device.typesAndLayouts {
          tally.require("planes of \(height) x \(width), \(dtype), \(layout)") {
            func run(_ x: Tensor) throws -> [Double] {
              let norm = try device.instanceNorm(maps: 4, dtype)
              let x = try x.placed(dtype, layout, device)
              let (y, dx) = (try norm(x), try norm.backward(x))
              return try [y, dx].flatMap { try $0.array(of: Double.self).prefix(one.count) }
            }
            return try run(x) == run(one)
          }
        }
      }
    },
    Promise("NaN and infinity stay in their plane") { device, tally in
      for (height, width) in [(3, 5), (40, 30), (300, 280)] {
        let x = try normal([2, 3, height, width])
        for value in [Double.nan, .infinity] {
          var spoilt = x
          try spoilt.set(value, at: 1, 1, height / 2, width - 1)
          for (dtype, layout) in device.typesAndLayouts {
            tally.require("\(value) in \(height) x \(width), \(dtype), \(layout)") {
              func run(_ x: Tensor) throws -> [Double] {
                try device.instanceNorm(maps: 3, dtype)(x.placed(dtype, layout, device)).array(of: Double.self)
              }
              let plane = 4 * height * width..<5 * height * width
              return zip(try run(x), try run(spoilt)).enumerated().allSatisfy { index, values in
                plane.contains(index) ? values.1.isNaN : values.0 == values.1
              }
            }
          }
        }
      }
    },
    Promise("constant planes give exactly the bias") { device, tally in
      let bias = [0, 0.3, -1e-3, 7e4]
      for value in [0, 1, -0.1, 1e-30, 6e4, 1e6, 3e38] {
        for (height, width) in [(1, 1), (9, 7), (80, 90)] {
          for (dtype, layout) in device.typesAndLayouts where dtype != .float16 || value < 65504 {
            tally.require("\(value) in \(height) x \(width), \(dtype), \(layout)") {
              let norm = try InstanceNorm2D(numOfMaps: 4)
              norm.bias?.data = try Tensor(bias).to(.float32)
              try norm.calcMode(dtype)
              try norm.to(device)
              let x = try Tensor(
                repeating: value, shape: [2, 4, height, width], dtype: dtype, layout: layout, on: device)
              let expected = try Tensor(bias).to(.float32).to(dtype).array(of: Double.self)
              return try norm(x).array(of: Double.self).enumerated().allSatisfy {
                $1 == expected[$0 / (height * width) % 4]
              }
            }
          }
        }
      }
    },
    Promise("saved here, loaded on the CPU") { device, tally in
      for dtype in DType.allCases {
        tally.require("\(dtype) values, there and back") {
          let x = try normal([3, 5, 7, 11]).to(dtype)
          return try sameBits(x.to(device).toHost(), x)
        }
      }
      tally.require("a model after a step") {
        let model = try trainee()
        try model.to(device)
        let x = try normal([4, 8, 15, 13], mean: 2).placed(.float32, .nchw, device)
        let optimizer = try Adam(learnRate: 0.05)
        try optimizer.setup(on: model)
        try model.backward(model(x))
        try optimizer.update()
        let path = FileManager.default.temporaryDirectory
          .appendingPathComponent("instnorm-\(UUID().uuidString).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try model.save(to: path)
        let other = try trainee()
        try other.load(from: path)
        return try zip(model.variables, other.variables).allSatisfy {
          try $0.name == $1.name && $1.variable.data.device == .cpu && sameBits($0.variable.data, $1.variable.data)
        }
      }
    },
    Promise("what cannot be is an error, and nothing is lost") { device, tally in
      let norm = try device.instanceNorm(maps: 3, .float32)
      let x = try normal([2, 3, 9, 7]).placed(.float32, .nchw, device)
      let y = try norm(x).toHost()
      tally.requireError("another number of maps", where: { $0 is ModuleError }) {
        try norm(Tensor(repeating: 0, shape: [2, 4, 9, 7], on: device))
      }
      tally.requireError("another type", where: { $0 is ModuleError }) { try norm(x.to(.float16)) }
      tally.requireError("another shape", where: { $0 is TensorError }) {
        _ = try x + Tensor(repeating: 0, shape: [2, 3, 9, 8], on: device)
      }
      tally.requireError("more memory than there is", where: isOutOfMemory) {
        _ = try Tensor(uninitialized: [1 << 20, 1 << 20, 1 << 8], dtype: .float32, on: device)
      }
      if device != .cpu {
        tally.requireError("data on another device", where: { $0 is DeviceError }) { try norm(x.toHost()) }
        tally.requireError("a gradient on another device", where: { $0 is DeviceError }) {
          try norm(x)
          try norm.backward(x.toHost())
        }
        tally.requireError("a residual on another device", where: { $0 is DeviceError }) {
          try norm(x, residual: x.toHost())
        }
        tally.requireError("a sum of two devices", where: { $0 is DeviceError }) { _ = try x + x.toHost() }
      }
      for dtype in DType.allCases where !device.supportedTypes.contains(dtype) {
        tally.requireError("\(dtype), which the device does not compute in", where: { $0 is DeviceError }) {
          _ = try device.instanceNorm(maps: 3, dtype)(normal([2, 3, 9, 7]).to(dtype).to(device)).toHost()
        }
      }
      tally.require("a call after all of these") { try sameBits(norm(x), y) }
    },
  ]
}
