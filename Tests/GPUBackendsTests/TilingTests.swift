import CGPUKernels
import Calls
import GPUBackends
import Tensors
import Testing

/// How planes are cut: what a block takes must be there, on the least device too.
@Suite struct TilingTests {
  private func device(sharedBytes: Int) -> GPUProperties {
    GPUProperties(
      model: "", interface: "", vendor: "", memory: 1 << 30, isGPU: true, hasDouble: true, threadLimit: 256,
      sharedLimit: sharedBytes, cacheBytes: 4 << 20, processors: 8)
  }

  @Test(arguments: [32 << 10, 48 << 10, 227 << 10], DType.allCases)
  func `no block asks for more shared memory than a device has`(sharedBytes: Int, dtype: DType) {
    let device = device(sharedBytes: sharedBytes)
    for size in Array(1...70) + [128, 255, 1023, 4096, 4099, 100_000] {
      for maps in [1, 3, 8, 15, 16, 17, 24, 64, 131] {
        for layout in Layout.allCases {
          let planes = Planes(dtype: dtype, layout: layout, images: 64, maps: maps, size: size)
          for copies in 1...2 {
            let tilings = [
              Tiling.whole(planes, copies: copies, on: device), .pieces(planes, copies: copies, on: device),
              .known(planes),
            ]
            for case let tiling? in tilings {
              #expect(tiling.sharedBytes <= sharedBytes, "\(planes), \(copies)")
              #expect(tiling.threads <= 256)
            }
          }
        }
      }
    }
  }
}
