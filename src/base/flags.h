// Flags of `wanbench run` that more than the command line spells: the report writes them into the command that repeats
// a run, and the engine's table of options has some of them too.
#pragma once

namespace wan::flags {

inline constexpr const char* kSuite = "--suite";
inline constexpr const char* kCase = "--case";
inline constexpr const char* kCheckpoint = "--checkpoint";
inline constexpr const char* kLora = "--lora";
inline constexpr const char* kLoraHigh = "--lora-high";
inline constexpr const char* kLoraLow = "--lora-low";
inline constexpr const char* kWeights = "--weights";
inline constexpr const char* kModel = "--model";
inline constexpr const char* kGpus = "--gpus";
inline constexpr const char* kParallel = "--parallel";
inline constexpr const char* kCommTimeout = "--comm-timeout";
inline constexpr const char* kDevice = "--device";
inline constexpr const char* kPrecision = "--precision";
inline constexpr const char* kDitPrecision = "--dit-precision";
inline constexpr const char* kQuantize = "--quantize";
inline constexpr const char* kGpuMemoryLimit = "--gpu-memory-limit";
inline constexpr const char* kHostMemoryLimit = "--host-memory-limit";
inline constexpr const char* kTuningTable = "--tuning-table";
inline constexpr const char* kRepeats = "--repeats";
inline constexpr const char* kWarmRepeats = "--warm-repeats";
inline constexpr const char* kWarmups = "--warmups";
inline constexpr const char* kWarmUpSteps = "--warm-up-steps";
inline constexpr const char* kPageCache = "--page-cache";
inline constexpr const char* kTraceKernels = "--trace-kernels";
inline constexpr const char* kNoVideo = "--no-video";
inline constexpr const char* kOutput = "--output";
inline constexpr const char* kReplay = "--replay";
inline constexpr const char* kFidelity = "--fidelity";
inline constexpr const char* kStepCache = "--step-cache";
inline constexpr const char* kCacheThreshold = "--cache-threshold";
inline constexpr const char* kCacheMaxSkips = "--cache-max-skips";
inline constexpr const char* kCacheRetention = "--cache-retention";
inline constexpr const char* kCacheCurve = "--cache-curve";
inline constexpr const char* kCfgGate = "--cfg-gate";

inline constexpr const char* kRandomWeights = "random";  // word of --weights
inline constexpr const char* kHotPageCache = "hot";      // words of --page-cache
inline constexpr const char* kEvictPageCache = "evict";

/// What a run says of its limit before its execution is decided: one that is refused has no other place for it.
inline constexpr const char* kGpuMemoryLimitFact = "gpu_memory_limit";
/// What a run says where the video before the warm ones had fewer steps.
inline constexpr const char* kWarmUpStepsFact = "warm_up_steps";
/// What a run says where its curve of the step cache was made for another shift, number of steps or solver.
inline constexpr const char* kOtherCurveFact = "cache_curve_of_other";

}  // namespace wan::flags
