// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A Linux driver that lets a process share its address space with a device
 *
 * It is for the PCI function for tests (hw/misc/pasid-testdev.c), and built into
 * the lab's kernel. It binds to a device only by driver_override. A process that
 * has opened /dev/pasid-sva can let the device copy from one of its addresses to
 * another: it writes a struct copy, and reads the STATUS register, as 32 bits.
 */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* Registers, by their offset */
enum {
	STATUS = 0x04, SOURCE = 0x08, DESTINATION = 0x10, SOURCE_PASID = 0x18,
	DESTINATION_PASID = 0x1c, LENGTH = 0x20, COMMAND = 0x24,
};

#define COMMAND_COPY	1
#define STATUS_BUSY	BIT(4)
#define PASID_VALID	BIT(31)

struct copy {
	__u64 source;
	__u64 destination;
	__u64 length;
};

struct testdev {
	struct miscdevice misc;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct mutex lock;	/* one copy at a time */
};

struct bond {
	struct testdev *td;
	struct iommu_sva *sva;
};

static int testdev_open(struct inode *inode, struct file *file)
{
	struct testdev *td = container_of(file->private_data, struct testdev, misc);
	struct bond *bond = kzalloc(sizeof(*bond), GFP_KERNEL);

	if (!bond)
		return -ENOMEM;
	bond->td = td;
	bond->sva = iommu_sva_bind_device(&td->pdev->dev, current->mm);
	if (IS_ERR(bond->sva)) {
		int ret = PTR_ERR(bond->sva);

		kfree(bond);
		return ret;
	}
	file->private_data = bond;
	return 0;
}

static int testdev_release(struct inode *inode, struct file *file)
{
	struct bond *bond = file->private_data;

	iommu_sva_unbind_device(bond->sva);
	kfree(bond);
	return 0;
}

static ssize_t testdev_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct bond *bond = file->private_data;
	void __iomem *regs = bond->td->regs;
	u32 pasid = iommu_sva_get_pasid(bond->sva) | PASID_VALID;
	struct copy copy;
	int ret = 0;

	if (count != sizeof(copy))
		return -EINVAL;
	if (copy_from_user(&copy, buf, sizeof(copy)))
		return -EFAULT;
	if (mutex_lock_interruptible(&bond->td->lock))
		return -EINTR;

	writel(lower_32_bits(copy.source), regs + SOURCE);
	writel(upper_32_bits(copy.source), regs + SOURCE + 4);
	writel(lower_32_bits(copy.destination), regs + DESTINATION);
	writel(upper_32_bits(copy.destination), regs + DESTINATION + 4);
	writel(pasid, regs + SOURCE_PASID);
	writel(pasid, regs + DESTINATION_PASID);
	writel(copy.length, regs + LENGTH);
	writel(COMMAND_COPY, regs + COMMAND);
	while (readl(regs + STATUS) & STATUS_BUSY) {
		if (msleep_interruptible(1)) {
			ret = -EINTR;
			break;
		}
	}
	mutex_unlock(&bond->td->lock);
	return ret ?: count;
}

static ssize_t testdev_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct bond *bond = file->private_data;
	u32 status = readl(bond->td->regs + STATUS);

	if (count != sizeof(status))
		return -EINVAL;
	return copy_to_user(buf, &status, sizeof(status)) ? -EFAULT : count;
}

static const struct file_operations testdev_fops = {
	.owner = THIS_MODULE,
	.open = testdev_open,
	.release = testdev_release,
	.write = testdev_write,
	.read = testdev_read,
};

static int testdev_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct testdev *td;
	int ret;

	td = devm_kzalloc(&pdev->dev, sizeof(*td), GFP_KERNEL);
	if (!td)
		return -ENOMEM;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	td->regs = pcim_iomap(pdev, 0, 0);
	if (!td->regs)
		return -ENOMEM;
	td->pdev = pdev;
	mutex_init(&td->lock);
	td->misc.minor = MISC_DYNAMIC_MINOR;
	td->misc.name = "pasid-sva";
	td->misc.fops = &testdev_fops;
	td->misc.parent = &pdev->dev;
	pci_set_drvdata(pdev, td);
	return misc_register(&td->misc);
}

static void testdev_remove(struct pci_dev *pdev)
{
	struct testdev *td = pci_get_drvdata(pdev);

	misc_deregister(&td->misc);
}

static const struct pci_device_id testdev_ids[] = {
	{ }
};

static struct pci_driver testdev_driver = {
	.name = "pasid-sva",
	.id_table = testdev_ids,
	.probe = testdev_probe,
	.remove = testdev_remove,
};
module_pci_driver(testdev_driver);

MODULE_DESCRIPTION("Shared virtual addressing with the PCI function for tests");
MODULE_LICENSE("GPL");
