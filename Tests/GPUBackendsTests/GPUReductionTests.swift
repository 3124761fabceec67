import CPUKernels
import Calls
import GPUBackends
import InstanceNorm
import Testing

/// Sums, means and greatest values on every device, against their references.
@Suite struct GPUReductionTests {
  /// Kept extents, reduced extents, and the strides of the input (for both) and of the output.
  static let forms: [(Axes, Axes, Axes, Axes)] = [
    ([], [1], [1], []), ([], [1003], [1], []), ([], [17_000], [1], []), ([], [3, 6000], [1, 3], []),
    ([3], [5], [5, 1], [1]), ([3], [5], [1, 3], [2]), ([3, 1], [4, 5], [20, 0, 5, 1], [1, 0]), ([4], [0], [1, 4], [1]),
    ([0], [4], [4, 1], [1]), ([2, 3], [5, 7], [105, 35, 7, 1], [3, 1]), ([3], [2, 5, 7], [35, 105, 7, 1], [1]),
    // As pictures whose maps are last: of each map, a few values and many.
    ([2, 3], [5, 7], [105, 1, 21, 3], [1, 2]), ([3], [2, 30, 40], [1, 3600, 120, 3], [1]),
    ([40], [70], [1, 40], [1]),
    // Repeated values.
    ([3], [4], [1, 0], [1]), ([3], [4], [0, 1], [1]),
  ]

  @Test(arguments: DevicesUnderTest.all, DType.allCases) func `every function in every form`(
    device: Device, dtype: DType
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    let hasDouble = device.supportedTypes.contains(.float64)
    for function in [.sum, .mean, .max] as [ReductionFunction] {
      for (kept, reduced, from, to) in Self.forms {
        for outputType in Set([dtype, .float64]) {
          let start = kept.count
          var extents = kept
          for extent in reduced { extents.append(extent) }
          var numbers = randomNumbers(reach(extents, from), seed: 1)
          // Far from 0, so that what a sum loses would show.
          for index in numbers.indices { numbers[index] += 100 }
          if let middle = numbers.indices.dropFirst(2).first, function == .max { numbers[middle] = .nan }
          let input = try Twin(numbers, dtype, on: device, start: start)
          let output = try Twin.unwritten(reach(kept, to), outputType, on: device, start: start)
          func call(isOnHost: Bool) -> ReductionCall {
            ReductionCall(
              function, kept: kept, reduced: reduced, input: input.view(from, isOnHost: isOnHost),
              output: output.view(to, isOnHost: isOnHost))
          }
          ReferenceReduction(call(isOnHost: true)).run()
          try gpu.run(call(isOnHost: false))
          let precision = hasDouble ? 1e-13 : 1e-12
          let fault = try output.fault {
            function == .max ? 0 : (outputType == .float64 ? 0 : outputType.unit(of: $1)) + precision * abs($1)
          }
          #expect(fault == nil, "\(function) of \(reduced) for \(kept), \(dtype) to \(outputType)")
        }
      }
    }
  }

  @Test(arguments: DevicesUnderTest.withoutDouble) func `means of float64 have 48 bits on devices without it`(
    device: Device
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    // That a pair of float32 holds.
    let values = randomNumbers(100, seed: 3).map { Double(bitPattern: $0.bitPattern & ~0x1F) }
    for count in [3, 7, 404, 1632] {
      let input = try Twin(values.flatMap { [$0] + Array(repeating: 0, count: count - 1) }, .float64, on: device)
      let output = try Twin.unwritten(values.count, .float64, on: device)
      try gpu.run(
        ReductionCall(
          .mean, kept: [values.count], reduced: [count], input: input.view([count, 1], isOnHost: false),
          output: output.view([1], isOnHost: false)))
      for (mean, value) in zip(try output.values().device, values) {
        let expected = value / Double(count)
        #expect(abs(mean - expected) <= abs(expected) * 0x1p-48, "\(value) over \(count)")
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all) func `the greatest of negative, infinite and no numbers`(
    device: Device
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    for (numbers, greatest) in [
      ([-3, -1, -2], -1), ([-.infinity, -1e300], -1e300), ([-0.5, .infinity], .infinity), ([], -.infinity),
      ([-.infinity], -.infinity), ([0, -5], 0),
    ] as [([Double], Double)] {
      let input = try Twin(numbers, .float64, on: device)
      let output = try Twin.unwritten(1, .float64, on: device)
      try gpu.run(
        ReductionCall(
          .max, kept: [], reduced: [numbers.count], input: input.view([1], isOnHost: false),
          output: output.view([], isOnHost: false)))
      #expect(try output.values().device == [greatest])
    }
  }
}
