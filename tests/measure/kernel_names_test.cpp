// Names as they are in the libraries: our own objects, cuBLAS 13, cuDNN 9, FlashAttention and PyTorch.
#include "measure/kernel_names.h"

#include <gtest/gtest.h>

namespace wan::measure {
namespace {

TEST(KernelNames, AreShortenedForPeople) {
  EXPECT_EQ(short_kernel_name("_ZN3wan4cuda39_GLOBAL__N__5a0ec60c_7_norm_cu_c4ea7687L11norm_kernelI13__nv_bfloat16fS3_"
                              "LNS1_4WorkE0EEEvNS1_9ArgumentsE"),
            "norm_kernel<__nv_bfloat16, float, __nv_bfloat16, (Work)0>");
  EXPECT_EQ(short_kernel_name("nvjet_sm90_tst_128x256_64x4_2x1_v_bz_coopA_bias_TNN"),
            "nvjet_sm90_tst_128x256_64x4_2x1_v_bz_coopA_bias_TNN");
  EXPECT_EQ(short_kernel_name("not mangled (at all)"), "not mangled ");
  EXPECT_EQ(short_kernel_name("_Zbroken"), "_Zbroken");
}

TEST(KernelNames, AreCutToALength) {
  const std::string cut = short_kernel_name(std::string(500, 'x').c_str());
  EXPECT_EQ(cut.size(), 96u);
  EXPECT_TRUE(cut.ends_with("x..."));
}

struct Named {
  const char* name;
  KernelKind kind;
};

class KernelKinds : public ::testing::TestWithParam<Named> {};

TEST_P(KernelKinds, FollowTheRules) {
  EXPECT_EQ(to_string(kernel_kind(short_kernel_name(GetParam().name))), to_string(GetParam().kind)) << GetParam().name;
}

INSTANTIATE_TEST_SUITE_P(
    Ours, KernelKinds,
    ::testing::Values(
        Named{"_ZN3wan4cuda50_GLOBAL__N__fbafbfef_17_attention_sm90_cu_40e9ee3dL16attention_kernelILNS1_4PassE0EEEv14"
              "CUtensorMap_stS4_S4_NS1_6ParamsE",
              KernelKind::kAttention},
        Named{"_ZN3wan4cuda53_GLOBAL__N__3775ffbe_20_attention_softmax_cu_566779c0L14softmax_kernelI13__nv_bfloat16EEv"
              "NS0_10ScoreBlockEPKffNS0_12RelativeBiasEPT_",
              KernelKind::kAttention},
        Named{"_ZN3wan4cuda47_GLOBAL__N__e8a54cc8_14_conv_hopper_cu_213ca96fL11conv_kernelINS1_4PlanI13__nv_bfloat16"
              "Li128ELi160ELi4ELi7EEEEEv14CUtensorMap_stS6_S6_NS0_14HopperConvArgsE",
              KernelKind::kConvolution},
        Named{"direct_kernel<float>", KernelKind::kConvolution},
        Named{"_ZN3wan4cuda47_GLOBAL__N__82503235_14_conv_layout_cu_6d37ac1aL13repack_kernelIfNS1_6AsBF16EEEvPKT_T0_NS0"
              "_13WeightExtentsEll",
              KernelKind::kElementwise},
        Named{
            "_ZN3wan4cuda47_GLOBAL__N__82503235_14_conv_layout_cu_6d37ac1a20split_columns_kernelEPKflNS1_8AsPlanesEll",
            KernelKind::kElementwise},
        Named{"_ZN3wan4cuda39_GLOBAL__N__5a0ec60c_7_norm_cu_c4ea7687L11norm_kernelI13__nv_bfloat16fS3_LNS1_4WorkE0EEEv"
              "NS1_9ArgumentsE",
              KernelKind::kElementwise},
        Named{"_ZN3wan4cuda44_GLOBAL__N__8fce49b1_11_rms_norm_cu_7840bc69L15rms_warp_kernelILi12ELb0EEEvNS1_9Arguments"
              "E",
              KernelKind::kElementwise},
        Named{"_ZN3wan4cuda39_GLOBAL__N__9e623464_7_copy_cu_c9121593L14strided_kernelI13__nv_bfloat16fjEEvPKvPvNS1_4"
              "WalkET1_",
              KernelKind::kElementwise},
        Named{
            "_ZN3wan4cuda47_GLOBAL__N__bfe2aaee_14_elementwise_cu_962a149dL10map_kernelINS1_10ActivateOpI13__nv_bfloat"
            "16S4_EEEEvT_ll",
            KernelKind::kElementwise},
        Named{"_ZN3wan4cuda40_GLOBAL__N__7143814e_8_patch_cu_be892a24L15patchify_kernelI13__nv_bfloat16EEvPKfPT_lNS1_4"
              "GridE",
              KernelKind::kElementwise},
        Named{"channels_to_rgb8_kernel<float>", KernelKind::kElementwise},
        Named{"dup_up_kernel<float, 4>", KernelKind::kElementwise},
        Named{"avg_down_kernel<float>", KernelKind::kElementwise},
        Named{"fill_normal_kernel<float>", KernelKind::kElementwise}));

INSTANTIATE_TEST_SUITE_P(
    Libraries, KernelKinds,
    ::testing::Values(
        Named{"nvjet_sm90_tst_128x256_64x4_2x1_v_bz_coopA_bias_TNN", KernelKind::kGemm},
        Named{"sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_segment_k_off_"
              "kernel__5x_cublas",
              KernelKind::kGemm},
        Named{"_ZN8cublasLt19splitKreduce_kernelILi32ELi16Eif13__nv_bfloat16S1_Lb0EfS1_S1_Lb1ELb0ELb0ELb0EEEvv",
              KernelKind::kGemm},
        Named{
            "_Z20gemv2T_kernel_64addrIffffLi128ELi16ELi4ELi4ELb1E18cublasGemvParamsExIl30cublasGemvTensorStridedBatche"
            "dIKfES3_S1_IfEfEEvT8_",
            KernelKind::kGemm},
        Named{"void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_128x256_32x3_tn_align8>(...)",
              KernelKind::kGemm},
        Named{"cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_3_64x128x128_4x1x1_kernel0_0",
              KernelKind::kAttention},
        Named{"void flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4>>(Flash_fwd_params)",
              KernelKind::kAttention},
        Named{"void cutlass::device_kernel<flash::enable_sm90<flash::FlashAttnFwdSm90<int>>>(...)",
              KernelKind::kAttention},
        Named{
            "sm80_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize256x64x64_stage6_execute_kernel_"
            "_5x_cudnn",
            KernelKind::kConvolution},
        Named{"void cudnn::ops::nchwToNhwcKernel<__nv_bfloat16, __nv_bfloat16, float, false>(...)",
              KernelKind::kElementwise},
        Named{"void at::native::vectorized_elementwise_kernel<4, at::native::conv_like_functor>(int)",
              KernelKind::kElementwise},
        Named{"void at::native::reduce_kernel<512, 1>(int)", KernelKind::kElementwise},
        Named{"someone_elses_kernel", KernelKind::kOther}, Named{"", KernelKind::kOther}));

}  // namespace
}  // namespace wan::measure
