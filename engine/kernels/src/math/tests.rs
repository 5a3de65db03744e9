//! Elementary functions against exact values, against std, and over a dense stride of all f32.
//!
//! The exact values were computed with mpmath at 4000 bits and rounded once to f64.

#![allow(clippy::disallowed_methods)]

use super::{erf_lanes, exp, exp_f32, exp_lanes, ln, pow, sin_cos, tanh_lanes};
use crate::lanes::LANES;
use crate::lanes::scalar::Scalar;

/// (x, sin x, cos x)
#[rustfmt::skip]
const SIN_COS: [(u64, u64, u64); 32] = [
    (0x01a5_6e1f_c2f8_f359, 0x01a5_6e1f_c2f8_f359, 0x3ff0_0000_0000_0000), // 1e-300
    (0x3fe0_0000_0000_0000, 0x3fde_aee8_744b_05f0, 0x3fec_1528_065b_7d50), // 0.5
    (0x3fe9_21fb_5444_2d18, 0x3fe6_a09e_667f_3bcc, 0x3fe6_a09e_667f_3bcd), // 0.7853981633974483
    (0x3fe9_21fb_5444_2d19, 0x3fe6_a09e_667f_3bcd, 0x3fe6_a09e_667f_3bcc), // 0.7853981633974484
    (0x3ff0_0000_0000_0000, 0x3fea_ed54_8f09_0cee, 0x3fe1_4a28_0fb5_068c), // 1.0
    (0x4002_d97c_7f33_21d2, 0x3fe6_a09e_667f_3bcd, 0xbfe6_a09e_667f_3bcc), // 2.356194490192345
    (0x4009_21fb_5444_2d18, 0x3ca1_a626_3314_5c07, 0xbff0_0000_0000_0000), // 3.141592653589793
    (0x7506_ac5b_262c_a1ff, 0x3ff0_0000_0000_0000, 0xbc21_4ae7_2e6b_a22f), // 5.319372648326541e+255
    (0x412e_8480_0000_0000, 0xbfd6_664b_2568_d867, 0x3fed_f9df_9906_d32c), // 1000000.0
    (0x412e_847f_0000_0000, 0xbfe8_3335_7b14_89f3, 0x3fe4_efdf_c640_fc4d), // 999999.5
    (0xc0fe_240c_9fbe_76c9, 0x3fef_f50e_60ab_53f9, 0x3faa_74d2_7c41_b22a), // -123456.789
    (0x4480_f0cf_064d_d592, 0xbfeb_453a_b76b_f397, 0x3fe0_be2c_ef01_c8f4), // 1e+22
    (0x7fef_ffff_ffff_ffff, 0x3f74_52fc_98b3_4e97, 0xbfef_ffe6_2ecf_ab75), // 1.7976931348623157e+308
    (0x7fe0_0000_0000_0000, 0x3fe2_0524_8cbd_b760, 0xbfea_719f_26c2_32bf), // 8.98846567431158e+307
    (0xc17d_f5e7_6893_09b6, 0xbe03_4fe4_90db_878f, 0x3ff0_0000_0000_0000), // -31415926.535897933
    (0x4026_0000_0000_0000, 0xbfef_ffeb_762e_93eb, 0x3f72_20ae_41ee_2fdf), // 11.0
    (0x4036_0000_0000_0000, 0xbf82_20a2_9f6e_b9f4, 0xbfef_ffad_d8d4_acda), // 22.0
    (0x4076_3000_0000_0000, 0xbeff_9bd0_307d_1de3, 0xbfef_ffff_ffc1_8e4c), // 355.0
    (0x40f9_6390_0000_0000, 0xbef4_0efd_f1eb_8de7, 0x3fef_ffff_ffe6_da77), // 103993.0
    (0x7506_ac5b_262c_a1ff, 0x3ff0_0000_0000_0000, 0xbc21_4ae7_2e6b_a22f), // 5.319372648326541e+255
    (0xc115_8139_e19f_26a6, 0x3fef_adba_1d69_d030, 0x3fc2_1864_b76a_7a6f), // -352334.4703336753
    (0xc125_4f7b_4de6_bc41, 0xbfea_fcb2_ec45_89d8, 0x3fe1_3221_206e_bc95), // -698301.6521509961
    (0x4112_6cb3_c8c9_1e6c, 0xbfd9_710e_66c6_71b7, 0x3fed_5ce8_2726_a7dd), // 301868.9460797075
    (0xc12a_18ae_da73_d2dc, 0x3fef_f83d_e3f3_e76a, 0x3fa6_4711_fc16_8435), // -855127.4266649145
    (0x40f1_8540_2347_c830, 0xbfe2_44fc_7bbc_6a81, 0xbfea_45ac_0674_919a), // 71764.00861337851
    (0xc110_6538_aa29_bbfe, 0x3fd2_1362_b42a_ab69, 0xbfee_b27a_9569_e996), // -268622.1661748289
    (0x44cf_f9e5_98e0_b364, 0xbfef_d7b4_dc42_8255, 0x3fb9_5c10_8d7e_ec49), // 3.020062889272098e+23
    (0x60e5_a43d_dcf6_7762, 0x3fea_aed0_109b_c28e, 0x3fe1_aa0a_acc9_6b91), // 5.942599677376326e+158
    (0x4386_8f36_8759_0cbc, 0xbfee_0004_91eb_e738, 0x3fd6_454b_65a0_26ba), // 2.0319724318081626e+17
    (0x5c49_081c_b044_c063, 0x3fd3_fba3_12ae_f8af, 0x3fee_6671_904a_be03), // 3.63879999860133e+136
    (0x458c_f2d9_f301_e3c1, 0xbfef_754f_a482_dbaa, 0x3fc7_740e_c1c8_9d52), // 1.1198961949457699e+27
    (0x46da_3a43_5714_0f9b, 0xbfb3_ae1f_e452_40d2, 0x3fef_e7c1_de76_5ed2), // 2.1278348955508412e+33
];

/// (x, e^x)
#[rustfmt::skip]
const EXP: [(u64, u64); 29] = [
    (0x3bc7_9ca1_0c92_4223, 0x3ff0_0000_0000_0000), // 1e-20
    (0xbbc7_9ca1_0c92_4223, 0x3ff0_0000_0000_0000), // -1e-20
    (0x3fd6_2e42_fefa_39ef, 0x3ff6_a09e_667f_3bcc), // 0.34657359027997264
    (0x3fd6_2e42_fefa_39f0, 0x3ff6_a09e_667f_3bcd), // 0.3465735902799727
    (0xbfd6_2e42_fefa_39ef, 0x3fe6_a09e_667f_3bcd), // -0.34657359027997264
    (0x3ff0_0000_0000_0000, 0x4005_bf0a_8b14_5769), // 1.0
    (0xbff0_0000_0000_0000, 0x3fd7_8b56_362c_ef38), // -1.0
    (0x4056_0000_0000_0000, 0x47df_1056_dc7b_f22d), // 88.0
    (0x4085_e000_0000_0000, 0x7f0d_945d_f4f8_ec8e), // 700.0
    (0x4086_2e42_fefa_39ef, 0x7fef_ffff_ffff_ff2a), // 709.782712893384
    (0xc086_232b_dd7a_bcd2, 0x0010_0000_0000_007c), // -708.3964185322641
    (0xc086_8000_0000_0000, 0x0000_0009_93b4_dc95), // -720.0
    (0xc087_4385_446d_71c3, 0x0000_0000_0000_0001), // -744.4400719213812
    (0xc087_490a_3d70_a3d7, 0x0000_0000_0000_0001), // -745.13
    (0xc087_4910_d52d_3051, 0x0000_0000_0000_0001), // -745.1332191019411
    (0xc05f_eff1_3ce0_6d40, 0x3469_f030_2d0a_6715), // -127.7490989867847
    (0x407c_93e3_48b8_56e0, 0x6929_51dd_43ba_fa92), // 457.2429892731434
    (0xc081_a7ef_82b0_687c, 0x0cfd_a0ea_e164_798b), // -564.9919484884153
    (0xc07a_4691_981e_23cf, 0x1a06_403a_1cd0_4b77), // -420.4105454614009
    (0x4064_e936_8556_b5bc, 0x4f04_5418_3bb2_d826), // 167.28790537772682
    (0x4083_c7c0_1b6f_f288, 0x7902_235b_1f43_d8fb), // 632.9688023324861
    (0x4057_86e4_593b_0488, 0x486b_4276_b97d_b722), // 94.10768728984306
    (0xc065_0740_395f_96b0, 0x30c3_b3ee_8d6f_0860), // -168.2265898577657
    (0x3fee_7af6_b1c4_c68c, 0x4004_bcd7_ce05_6065), // 0.9525102111858401
    (0xbfed_04ca_138b_f348, 0x3fd9_d7dd_89a3_a2dd), // -0.9068346387644874
    (0x3fe6_f125_b110_bdf4, 0x4000_629c_6fbe_c22f), // 0.716936918097359
    (0xbfda_ee15_394b_34dc, 0x3fe5_0252_b916_1b3a), // -0.4207814273366475
    (0xbfe6_c486_53ac_ace2, 0x3fdf_6b1b_5181_45e3), // -0.7114898332851249
    (0xbfe8_7617_8b6e_c4ce, 0x3fdd_cc7d_0dcf_73fe), // -0.7844155238432633
];

/// (x, ln x)
#[rustfmt::skip]
const LN: [(u64, u64); 27] = [
    (0x0000_0000_0000_0001, 0xc087_4385_446d_71c3), // 5e-324
    (0x0010_0000_0000_0000, 0xc086_232b_dd7a_bcd2), // 2.2250738585072014e-308
    (0x7fef_ffff_ffff_ffff, 0x4086_2e42_fefa_39ef), // 1.7976931348623157e+308
    (0x3fef_ffff_ffff_ffff, 0xbca0_0000_0000_0000), // 0.9999999999999999
    (0x3ff0_0000_0000_0001, 0x3caf_ffff_ffff_ffff), // 1.0000000000000002
    (0x3fe6_a09e_667f_3bcc, 0xbfd6_2e42_fefa_39f1), // 0.7071067811865475
    (0x3fe6_a09e_667f_3bcd, 0xbfd6_2e42_fefa_39ee), // 0.7071067811865476
    (0x3ff6_a09e_667f_3bcd, 0x3fd6_2e42_fefa_39f0), // 1.4142135623730951
    (0x3ff6_a09e_667f_3bcc, 0x3fd6_2e42_fefa_39ee), // 1.414213562373095
    (0x4000_0000_0000_0000, 0x3fe6_2e42_fefa_39ef), // 2.0
    (0x4024_0000_0000_0000, 0x4002_6bb1_bbb5_5516), // 10.0
    (0x3fb9_9999_9999_999a, 0xc002_6bb1_bbb5_5515), // 0.1
    (0x0000_1268_8b70_e62b, 0xc086_4e69_394d_9508), // 1e-310
    (0x3fef_f7ce_d916_872b, 0xbf50_6467_0d97_9b73), // 0.999
    (0x3ff0_0418_9374_bc6a, 0x3f50_6035_4f8c_3cc4), // 1.001
    (0x27ff_3429_eff2_9f61, 0xc070_9802_52db_49c0), // 4.949583778301206e-116
    (0x6773_102d_ba92_204e, 0x407b_63e8_32c6_d7a1), // 2.123405951888123e+190
    (0x1805_e603_cc80_af51, 0xc07b_a9b7_2b71_a875), // 5.999665886360983e-193
    (0x4a22_6222_d6c4_8c8f, 0x405c_47cc_5651_756e), // 1.3433643750872553e+49
    (0x514c_61f5_f222_fb82, 0x4068_1266_0fb1_fe77), // 4.307664756610226e+83
    (0x2ffb_c34c_41ee_fac4, 0xc066_1ca0_4af0_bd1f), // 1.4985308220739244e-77
    (0x3ff5_2557_8d22_e6ac, 0x3fd1_d8c5_d31a_e575), // 1.3216166985643367
    (0x3fe3_038d_0962_dea4, 0xbfe0_a87c_6f79_ab14), // 0.5941834624599847
    (0x3fe2_dc61_11b6_cc79, 0xbfe0_eaad_991f_20f8), // 0.589401754949349
    (0x3fe9_e2d2_16fa_7e1e, 0xbfcb_23e5_0652_0733), // 0.8089380692289898
    (0x3ff8_5460_9f98_5c74, 0x3fda_d29d_a419_01fb), // 1.520599959772679
    (0x3ff2_4320_8b54_e965, 0x3fc0_ed6b_62b1_e781), // 1.1413884585041043
];

/// (x, y, x^y)
#[rustfmt::skip]
const POW: [(u64, u64, u64); 31] = [
    (0x40c3_8800_0000_0000, 0xbf90_0000_0000_0000, 0x3feb_b5fa_d00a_b22c), // 10000.0 ^ -0.015625
    (0x40c3_8800_0000_0000, 0xbfd1_0000_0000_0000, 0x3fb6_2b2f_0cd5_5b56), // 10000.0 ^ -0.265625
    (0x40c3_8800_0000_0000, 0xbfe0_8000_0000_0000, 0x3f81_bc25_a3dd_e2ac), // 10000.0 ^ -0.515625
    (0x40c3_8800_0000_0000, 0xbfef_8000_0000_0000, 0x3f1e_459c_57e2_8a47), // 10000.0 ^ -0.984375
    (0x412e_8480_0000_0000, 0xbf90_0000_0000_0000, 0x3fe9_c975_8e45_8666), // 1000000.0 ^ -0.015625
    (0x412e_8480_0000_0000, 0xbfd5_0000_0000_0000, 0x3f86_020a_364b_1284), // 1000000.0 ^ -0.328125
    (0x412e_8480_0000_0000, 0xbfe6_8000_0000_0000, 0x3f0f_aeba_9626_e3b9), // 1000000.0 ^ -0.703125
    (0x412e_8480_0000_0000, 0xbfef_8000_0000_0000, 0x3eb4_d1c9_7f4e_952f), // 1000000.0 ^ -0.984375
    (0x411e_8480_0000_0000, 0xbfe7_8000_0000_0000, 0x3f11_1d41_f32c_72e4), // 500000.0 ^ -0.734375
    (0x3ff0_0000_0000_0001, 0x43c4_d112_0d7b_1600, 0x7c00_5021_74a9_bef1), // 1.0000000000000002 ^ 3e+18
    (0x3fef_ffff_ffff_ffff, 0x43d4_d112_0d7b_1600, 0x03df_62d0_4dd3_d7e1), // 0.9999999999999999 ^ 6e+18
    (0x3ff0_0000_0000_0001, 0xc3c6_3457_85d8_a000, 0x0001_dee1_24fe_6fe4), // 1.0000000000000002 ^ -3.2e+18
    (0x4000_0000_0000_0000, 0x3fe0_0000_0000_0000, 0x3ff6_a09e_667f_3bcd), // 2.0 ^ 0.5
    (0x4024_0000_0000_0000, 0x4073_4000_0000_0000, 0x7fe1_ccf3_85eb_c8a0), // 10.0 ^ 308.0
    (0x4024_0000_0000_0000, 0xc074_3000_0000_0000, 0x0000_0000_0000_0002), // 10.0 ^ -323.0
    (0x4024_0000_0000_0000, 0xc073_6800_0000_0000, 0x0000_05d2_3ccb_7dce), // 10.0 ^ -310.5
    (0x0000_0000_0000_0001, 0x3fe0_0000_0000_0000, 0x1e60_0000_0000_0000), // 5e-324 ^ 0.5
    (0x7fef_ffff_ffff_ffff, 0x3fef_ff2e_48e8_a71e, 0x7fed_ceb3_9d9e_4e63), // 1.7976931348623157e+308 ^ 0.9999
    (0xc008_0000_0000_0000, 0x4014_0000_0000_0000, 0xc06e_6000_0000_0000), // -3.0 ^ 5.0
    (0xbff8_0000_0000_0000, 0xc08f_4800_0000_0000, 0x9b55_e525_ea18_4efa), // -1.5 ^ -1001.0
    (0x4008_0000_0000_0000, 0xc000_0000_0000_0000, 0x3fbc_71c7_1c71_c71c), // 3.0 ^ -2.0
    (0x3fe0_0000_0000_0000, 0x4090_c800_0000_0000, 0x0000_0000_0000_0001), // 0.5 ^ 1074.0
    (0x4000_0000_0000_0000, 0x408f_fc00_0000_0000, 0x7fe6_a09e_667f_3bcd), // 2.0 ^ 1023.5
    (0x3f3c_d10f_518c_e7bb, 0x400b_613a_54f0_0a30, 0x3d8c_8cbb_4b45_9397), // 0.0004397070311373781 ^ 3.4224745403055508
    (0x3fc2_4402_cb58_6425, 0xc020_04c5_9b84_072a, 0x4156_974e_9c6e_b1ed), // 0.14270052842110306 ^ -8.009320125452707
    (0x4109_5473_a73e_bd1c, 0x401f_d6cf_df98_ba48, 0x48b8_1ccb_0f87_b81d), // 207502.45666263334 ^ 7.9597773491828505
    (0x3ef9_0896_5718_2129, 0x4007_d0ca_5402_8d08, 0x3d13_947c_a984_5643), // 2.3873847970563474e-05 ^ 2.9769484103468393
    (0x4006_d026_f051_d42c, 0x402e_02d0_df6f_4c38, 0x4159_b9ea_0b32_f08c), // 2.8516367697689216 ^ 15.005499822937153
    (0x40cb_38e9_083e_a153, 0xc020_f708_d9e9_10a0, 0x38a2_afe1_8d6a_896b), // 13937.820564106723 ^ -8.482489404392538
    (0x41bc_0f99_0537_0fa6, 0xc02e_8e03_4ae1_73b5, 0x246c_debe_92f9_975e), // 470784261.2150825 ^ -15.277368869801515
    (0x3fa0_ffb7_c56d_9c04, 0x4024_923f_096b_a9b0, 0x3cc6_2b3a_d063_454b), // 0.0332009724141287 ^ 10.285637182609975
];

/// Doubles between a and b; 0 for equal values and for two NaN.
fn steps(a: f64, b: f64) -> u64 {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    let ordered = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

fn assert_near(name: &str, x: f64, got: f64, expected: f64) {
    assert!(steps(got, expected) <= 1, "{name}({x:e}) = {got:e}, expected {expected:e}");
}

#[test]
fn f64_functions_meet_exact_values() {
    for (x, expected) in EXP {
        let x = f64::from_bits(x);
        assert_near("exp", x, exp(x), f64::from_bits(expected));
    }
    for (x, expected) in LN {
        let x = f64::from_bits(x);
        assert_eq!(ln(x).to_bits(), expected, "ln({x:e})");
    }
    for (x, y, expected) in POW {
        let (x, y) = (f64::from_bits(x), f64::from_bits(y));
        assert_near("pow", x, pow(x, y), f64::from_bits(expected));
    }
    for (x, sine, cosine) in SIN_COS {
        let x = f64::from_bits(x);
        assert_near("sin", x, sin_cos(x).0, f64::from_bits(sine));
        assert_near("cos", x, sin_cos(x).1, f64::from_bits(cosine));
    }
}

/// Pseudo-random bits, the same in every run (splitmix64).
fn random_bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in [low, high).
fn uniform(state: &mut u64, low: f64, high: f64) -> f64 {
    low + (high - low) * ((random_bits(state) >> 11) as f64 / 9_007_199_254_740_992.0)
}

/// std is within 1 ULP itself, so 2 steps would be allowed; an error of reduction is thousands.
#[test]
fn f64_functions_stay_beside_std() {
    let mut state = 1;
    let near = |name: &str, x: f64, got: f64, std: f64| {
        assert!(steps(got, std) <= 2, "{name}({x:e}) = {got:e}, std {std:e}");
    };
    for _ in 0..200_000 {
        let any = f64::from_bits(random_bits(&mut state));
        near("ln", any, ln(any), any.ln());
        near("sin", any, sin_cos(any).0, any.sin());
        near("cos", any, sin_cos(any).1, any.cos());
        near("exp", any, exp(any), any.exp());
        let x = uniform(&mut state, -750.0, 715.0);
        near("exp", x, exp(x), x.exp());
        let angle = uniform(&mut state, -1e6, 1e6);
        near("sin", angle, sin_cos(angle).0, angle.sin());
        near("cos", angle, sin_cos(angle).1, angle.cos());
        let base = exp(uniform(&mut state, -20.0, 20.0));
        let exponent = uniform(&mut state, -30.0, 30.0);
        near("pow", base, pow(base, exponent), base.powf(exponent));
        near("pow", any, pow(any, exponent), any.powf(exponent));
    }
}

#[test]
fn f64_special_cases_are_those_of_ieee_754() {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        -2.0,
        3.0,
        -3.0,
        1.5,
        1e300,
        -1e300,
        1e-300,
        5e-324,
        -5e-324,
        1e17,
        -1e17,
        9_007_199_254_740_991.0,
        -9_007_199_254_740_991.0,
        f64::MAX,
        f64::MIN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    for x in special {
        let same = |name: &str, got: f64, std: f64| {
            let zero = got == 0.0 && got.to_bits() != std.to_bits();
            assert!(steps(got, std) <= 1 && !zero, "{name}({x:e}) = {got:e}, std {std:e}");
        };
        same("exp", exp(x), x.exp());
        same("ln", ln(x), x.ln());
        same("sin", sin_cos(x).0, x.sin());
        same("cos", sin_cos(x).1, x.cos());
        for y in special {
            let (got, std) = (pow(x, y), x.powf(y));
            let zero = got == 0.0 && got.to_bits() != std.to_bits();
            assert!(steps(got, std) <= 1 && !zero, "pow({x:e}, {y:e}) = {got:e}, std {std:e}");
        }
    }
}

/// Distance from the exact value in units of the last place of the f32 nearest to it.
fn error_f32(got: f32, exact: f64) -> f64 {
    if got.is_nan() || exact.is_nan() {
        return if got.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
    }
    // f32::MAX plus half a unit and everything beyond rounds to infinity.
    if exact.abs() >= 3.402_823_567_797_336_6e38 {
        return if f64::from(got) == f64::INFINITY.copysign(exact) { 0.0 } else { f64::INFINITY };
    }
    let exponent = ((exact.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = f64::from_bits(((exponent.max(-126) - 23 + 1023) as u64) << 52);
    (f64::from(got) - exact).abs() / unit
}

/// The largest error of a lanes function over every `stride`-th f32 where the result is normal, where it is
/// subnormal, and the arguments.
fn worst_errors(
    stride: usize,
    f: impl Fn([f32; LANES]) -> [f32; LANES],
    exact: impl Fn(f64) -> f64,
) -> [(f64, f32); 2] {
    let mut worst = [(0.0, 0.0); 2];
    let mut bits = 0u64;
    while bits <= u64::from(u32::MAX) {
        let x: [f32; LANES] = std::array::from_fn(|i| f32::from_bits((bits as u32).wrapping_add((i * stride) as u32)));
        let y = f(x);
        for (x, y) in x.into_iter().zip(y) {
            let error = error_f32(y, exact(f64::from(x)));
            let kind = usize::from(y.is_subnormal());
            if error > worst[kind].0 {
                worst[kind] = (error, x);
            }
        }
        bits += (LANES * stride) as u64;
    }
    worst
}

/// erf x = 2 / sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...): positive terms, nothing cancels.
fn erf_series(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 6.0 {
        return if x.is_nan() { x } else { 1f64.copysign(x) };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > sum.abs() * 1e-18 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

fn assert_exp_bounds(stride: usize) {
    let [normal, subnormal] = worst_errors(stride, |x| exp_lanes(Scalar, x), f64::exp);
    println!("exp: (error in ULP, argument) {normal:?}, subnormal {subnormal:?}");
    assert!(normal.0 <= 0.71 && subnormal.0 <= 0.78, "{normal:?}, subnormal {subnormal:?}");
}

fn assert_erf_bounds(stride: usize) {
    let [normal, subnormal] = worst_errors(stride, |x| erf_lanes(Scalar, x), erf_series);
    println!("erf: (error in ULP, argument) {normal:?}, subnormal {subnormal:?}");
    assert!(normal.0 <= 1.28 && subnormal.0 <= 0.51, "{normal:?}, subnormal {subnormal:?}");
}

fn assert_tanh_bounds(stride: usize) {
    let [normal, subnormal] = worst_errors(stride, |x| tanh_lanes(Scalar, x), f64::tanh);
    println!("tanh: (error in ULP, argument) {normal:?}, subnormal {subnormal:?}");
    assert!(normal.0 <= 1.9 && subnormal.0 <= 0.51, "{normal:?}, subnormal {subnormal:?}");
}

#[test]
fn tanh_keeps_its_bounds() {
    assert_tanh_bounds(257);
}

#[test]
fn exp_f32_keeps_its_bounds() {
    assert_exp_bounds(257);
}

#[test]
fn erf_f32_keeps_its_bounds() {
    assert_erf_bounds(2_053);
}

#[test]
#[ignore = "every one of the 2^32 f32 takes minutes; run it when a coefficient changes"]
fn f32_functions_keep_their_bounds_over_all_f32() {
    assert_exp_bounds(1);
    assert_erf_bounds(1);
}

#[test]
fn exp_f32_at_its_edges() {
    assert_eq!(exp_f32(0.0).to_bits(), 1f32.to_bits());
    assert_eq!(exp_f32(-0.0).to_bits(), 1f32.to_bits());
    assert!(exp_f32(f32::NAN).is_nan());
    assert_eq!(exp_f32(f32::INFINITY), f32::INFINITY);
    assert_eq!(exp_f32(f32::NEG_INFINITY).to_bits(), 0);
    for x in [88.722_84f32, 88.722_83, 89.0, 1e30, -87.336_54, -87.336_55, -103.278_93, -103.972_08, -104.0, -1e30] {
        // The same number of bits once rounded: these edges lie far from a tie.
        assert_eq!(exp_f32(x).to_bits(), (f64::from(x).exp() as f32).to_bits(), "{x}");
    }
}
