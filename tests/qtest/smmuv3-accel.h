/*
 * Definitions for the QTests of arm-smmuv3-accel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_SMMUV3_ACCEL_H
#define TESTS_QTEST_SMMUV3_ACCEL_H

/* Two specifications that differ in every register; the first has ATS */
#define SPEC_A "idr0=0xd40101a,idr1=0x2730010,idr3=0x1400,idr5=0x74," \
               "iidr=0x43b,aidr=0x1"
#define SPEC_B "idr0=0xd40041a,idr1=0x1080018,idr3=0xc00,idr4=0xdeadbeef," \
               "idr5=0x12,iidr=0x48302b4c,aidr=0x3"
#define SPEC_ATS "idr0=0xd40141a,idr1=0x2730010,idr3=0x1400,idr5=0x74," \
                 "iidr=0x43b,aidr=0x1"

#define SMMU(bus) "-device arm-smmuv3-accel,bus=" bus "," SPEC_A " "
#define SMMU_ATS(bus) "-device arm-smmuv3-accel,bus=" bus "," SPEC_ATS " "
#define PXB(id, nr) "-device pxb-pcie,id=" id ",bus=pcie.0,bus_nr=" nr " "
#define ROOT_PORT(id, bus, addr, chassis) "-device pcie-root-port,id=" id \
    ",bus=" bus ",addr=" addr ",chassis=" chassis " "

#define MMIO_BASE 0x0c000000    /* the first on virt's platform bus */
#define MMIO_SIZE 0x20000

/* Registers (IHI 0070, 6.3) */
enum {
    CR0 = 0x20,
    CR0ACK = 0x24,
    GBPA = 0x44,
    GERROR = 0x60,
    GERRORN = 0x64,
    CMDQ_BASE = 0x90,
    CMDQ_PROD = 0x98,
    CMDQ_CONS = 0x9c,
    EVENTQ_BASE = 0xa0,
};

#endif /* TESTS_QTEST_SMMUV3_ACCEL_H */
